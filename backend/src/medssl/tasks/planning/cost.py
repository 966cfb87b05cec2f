"""What a step of a network costs, found without computing it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from math import prod

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medssl.training.memory import MARGIN, network_memory

BACKWARD = 2  # operations of the backward pass, in forward passes


class Cost:
    """Of a network: bytes whatever it sees, and bytes and operations for each voxel of a batch.

    Args:
        flops_per_voxel: operations.
        rehearse: gives bytes whatever it sees, and bytes for each voxel; called where memory is asked for, once: it takes a
            second, and most networks that are looked at are too slow already.
    """

    def __init__(self, flops_per_voxel: float, rehearse: Callable[[], tuple[float, float]]) -> None:
        self._flops, self._rehearse = flops_per_voxel, cache(rehearse)

    def memory(self, size: Sequence[int], batch: int) -> int:
        """Bytes of a step."""
        fixed, per_voxel = self._rehearse()
        return int(fixed + per_voxel * batch * prod(size))

    def flops(self, size: Sequence[int], batch: int) -> float:
        """Operations of a step."""
        return self._flops * batch * prod(size)


class Costs:
    """Costs of networks, each looked at once.

    Args:
        precision: of the forward pass.
        optimizer: as the training names it.
        ema: whether an average of the weights is kept.
    """

    def __init__(self, precision: str = "fp32", optimizer: str = "adamw", ema: bool = False) -> None:
        self.precision, self.optimizer, self.ema = precision, optimizer, ema
        self._known: dict[Hashable, Cost] = {}

    def of(self, key: Hashable, build: Callable[[], nn.Module], channels: int, size: Sequence[int]) -> Cost:
        """The cost of the network that `build` makes, from a step on one image of `size`; `key` names it."""
        if key not in self._known:
            with torch.device("meta"):
                network = build()
                images = torch.empty((1, channels, *size))
            with torch.no_grad(), FlopCounterMode(display=False) as counted:
                network.eval()(images)
            flops = (1 + BACKWARD) * counted.get_total_flops()
            self._known[key] = Cost(flops / prod(size), lambda: self._rehearsed(network, images.shape))
        return self._known[key]

    def _rehearsed(self, network: nn.Module, shape: Sequence[int]) -> tuple[float, float]:
        memory = network_memory(network, shape, self.precision, self.optimizer, self.ema)
        return MARGIN * memory.network, MARGIN * memory.step / prod(shape[2:])
