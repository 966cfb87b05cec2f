"""What a step of a network costs, found without computing it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medssl.training.memory import MARGIN, network_memory

BACKWARD = 2  # operations of the backward pass, in forward passes


@dataclass(frozen=True)
class Cost:
    """Of a network: bytes whatever it sees, and bytes and operations for each voxel of a batch."""

    fixed: float
    bytes_per_voxel: float
    flops_per_voxel: float

    def memory(self, size: Sequence[int], batch: int) -> int:
        """Bytes of a step."""
        return int(self.fixed + self.bytes_per_voxel * batch * prod(size))

    def flops(self, size: Sequence[int], batch: int) -> float:
        """Operations of a step."""
        return self.flops_per_voxel * batch * prod(size)


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
            memory = network_memory(network, images.shape, self.precision, self.optimizer, self.ema)
            with torch.no_grad(), FlopCounterMode(display=False) as counted:
                network.eval()(images)
            voxels = prod(size)
            flops = (1 + BACKWARD) * counted.get_total_flops()
            self._known[key] = Cost(MARGIN * memory.network, MARGIN * memory.step / voxels, flops / voxels)
        return self._known[key]
