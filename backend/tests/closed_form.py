"""The closed-form weights and inputs of the reference files (see `reference/README.md`)."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

REFERENCE = Path(__file__).parent / "reference"


def read_reference(name: str) -> dict[str, Any]:
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))


def make(network: Callable[[], nn.Module], phase: float) -> nn.Module:
    """Build a network with the closed-form weights, without drawing the random ones that they would replace."""
    with _NothingRandom():
        made = network()
    return fill(made, phase)


def fill(network: nn.Module, phase: float) -> nn.Module:
    """Give every floating-point entry its sine weights."""
    for name, tensor in network.state_dict().items():
        if _filled(name, tensor):
            tensor.copy_(_weights(name, tensor, phase))
    return network


class _NothingRandom(TorchFunctionMode):
    """Leaves tensors as they are where a constructor would draw their first values."""

    DRAWN = (Tensor.uniform_, Tensor.normal_, Tensor.erfinv_)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if args and func in self.DRAWN else func(*args, **(kwargs or {}))


def make_input(shape: list[int], freq: float) -> Tensor:
    values = 0.5 + 0.5 * np.sin(np.arange(np.prod(shape)) * freq)
    return torch.tensor(values.reshape(shape), dtype=torch.float32)


def assert_close_to(tensor: Tensor, recorded: dict[str, Any], tolerance: float = 1e-4) -> None:
    """Shape, mean, spread and the 64 recorded values agree to the relative tolerance."""
    assert list(tensor.shape) == recorded["shape"]
    values, wanted = tensor.double().flatten()[recorded["at"]].numpy(), np.array(recorded["values"])
    assert np.abs(values - wanted).max() <= tolerance * np.abs(wanted).max()
    assert abs(tensor.double().mean().item() - recorded["mean"]) <= tolerance * max(
        abs(recorded["mean"]), recorded["std"]
    )
    assert abs(tensor.double().std(unbiased=False).item() - recorded["std"]) <= 10 * tolerance * recorded["std"]


def _weights(name: str, tensor: Tensor, phase: float) -> Tensor:
    n, s = tensor.numel(), (zlib.crc32(name.encode()) % 1000) / 1000
    if name.endswith("running_mean"):
        return torch.zeros_like(tensor)
    if name.endswith("running_var"):
        return torch.ones_like(tensor)
    # In place and in torch, which vectorises the sine: a reference has up to 234 million weights.
    wave = torch.arange(n, dtype=torch.float64).mul_(0.7390851).add_(6.2831853 * s + phase).sin_()
    if tensor.ndim == 1:
        values = wave.mul_(0.1).add_(1) if name.endswith("weight") else wave.mul_(0.05)
    else:
        values = wave.mul_(math.sqrt(2 / (n / tensor.shape[0])))
    return values.reshape(tensor.shape)


def _filled(name: str, tensor: Tensor) -> bool:
    return tensor.is_floating_point() and not name.endswith("attn_mask")  # masks stay as the model makes them
