"""The mean of what a segmentation network's encoder makes of an image, taken while it segments: no further pass is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from medssl.networks import SWIN, family_of
from medssl.networks.network import Network


class EncoderMean:
    """Watches the deepest stage of an encoder in a `with` block.

    Networks of the libraries give no embedding of their own, so the stage's output is read where it passes. A Swin is asked,
    since its segmenter goes around the encoder's own `forward`.

    Args:
        net: in evaluation mode.
    """

    def __init__(self, net: Network) -> None:
        self._net, self._asked = net, family_of(net.plan) == SWIN
        self._sum: Tensor | None = None
        self._count, self._looking = 0, True
        self._hook: RemovableHandle | None = None

    def __enter__(self) -> EncoderMean:
        stage = None if self._asked else _deepest(self._net)
        self._hook = stage.register_forward_hook(self._passed) if stage is not None else None
        return self

    def __exit__(self, *error: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    def look(self, x: Tensor, counts: bool = True) -> None:
        """An input of the network, standardised, that is about to pass; does it count?"""
        self._looking = counts
        if self._asked and counts:
            self._add(self._net.embed(x).float())

    def vector(self) -> np.ndarray:
        """Means (D,) float32 over windows and places; empty where nothing has passed."""
        return np.zeros(0, np.float32) if self._sum is None else (self._sum / self._count).cpu().numpy()

    def _passed(self, module: nn.Module, inputs: Any, output: Any) -> None:
        features = _features(output)
        if self._looking and features is not None:  # (N, D, ...) of convolutions, (N, places, D) of transformers
            self._add(features.float().mean(dim=1) if features.ndim == 3 else features.float().flatten(2).mean(dim=2))

    def _add(self, means: Tensor) -> None:
        total = means.sum(dim=0)
        self._sum = total if self._sum is None else self._sum + total
        self._count += len(means)


def _deepest(net: Network) -> nn.Module | None:
    """The last module of an encoder that is itself called; None where a network names no encoder."""
    modules = net.encoder()
    module = modules[-1] if modules else None
    while isinstance(module, nn.ModuleList) and len(module):  # a list is never called, its members are
        module = module[-1]
    return module


def _features(output: Any) -> Tensor | None:
    """The deepest feature map of what a stage answers: a tensor, or the last one of several."""
    several = output if isinstance(output, (list, tuple)) else [output]
    maps = [one for one in several if isinstance(one, Tensor) and one.ndim >= 3 and torch.is_floating_point(one)]
    return maps[-1] if maps else None
