"""Local pixel shuffling: permute voxels inside many small windows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medssl.distort import shuffle_cpu, shuffle_device
from medssl.distort.params import Params, draw_seeds
from medssl.distort.samples import apply_on_device, as_seeds, map_samples, on_cpu


@dataclass(frozen=True)
class ShuffleParams(Params):
    """`seed` (N,) int64. Windows and permutations are functions of (seed, window number): see `shuffle_cpu`."""

    seed: Tensor


class LocalShuffle:
    """Voxels change places inside `windows` random windows; a sample keeps its texture's histogram and loses its detail.

    Window sides are uniform in 1…⌊side / max_fraction⌋ per axis, positions uniform (Zhou et al., Medical Image Analysis
    67, 2021). Every window reads the *original* sample and later windows overwrite earlier ones, as in the released
    generator; so about 79 % of the original values survive. Both fidelities use this law, for it is what the published
    results were trained with. All channels of a sample are permuted alike.

    Args:
        windows: windows per sample.
        max_fraction: a window is at most 1 / max_fraction of the side.
        strength: 0…1, share of the windows that are drawn.
    """

    name = "shuffle"

    def __init__(self, windows: int = 10_000, max_fraction: int = 10, strength: float = 1.0) -> None:
        self.windows, self.max_fraction = round(windows * strength), max_fraction

    def draw(self, batch: Tensor, generator: torch.Generator) -> ShuffleParams:
        """A seed for each sample."""
        return ShuffleParams(draw_seeds(batch, generator))

    def apply(self, batch: Tensor, params: ShuffleParams, where: Tensor | None = None) -> Tensor:
        """Shuffle every sample: compiled and sequential on the CPU, vectorised elsewhere, with identical results."""
        if not on_cpu(batch):
            return apply_on_device(batch, params, where, self._apply_device)
        seeds, largest = as_seeds(params.seed), np.array(self._largest(batch), np.uint64)
        return map_samples(
            batch, where, lambda n, sample, out: shuffle_cpu.shuffle(sample, seeds[n], self.windows, largest, out)
        )

    def _apply_device(self, batch: Tensor, params: ShuffleParams) -> Tensor:
        return shuffle_device.shuffle(batch, params.seed, self.windows, self._largest(batch))

    def _largest(self, batch: Tensor) -> tuple[int, int, int]:
        sides = [max(side // self.max_fraction, 1) for side in batch.shape[2:]]
        assert math.prod(sides) < 2**31, "a window's voxels are numbered with 31 bits"
        return (*sides, *(1,) * (3 - len(sides)))  # type: ignore[return-value]
