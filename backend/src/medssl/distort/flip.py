"""Mirror a sample along random axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medssl.distort.params import Params
from medssl.distort.samples import apply_on_device, map_samples, on_cpu


@dataclass(frozen=True)
class FlipParams(Params):
    """`axes` (N, most) int64: the axis of each flip, counted from the first spatial one; −1: no flip."""

    axes: Tensor


class Flip:
    """Up to `most` flips, one after another while a draw stays below `probability`, each along a uniform axis.

    Models Genesis flips input and target alike (Zhou et al., Medical Image Analysis 67, 2021): apply the same
    parameters to both.
    """

    name = "flip"

    def __init__(self, probability: float = 0.4, most: int = 3) -> None:
        self.probability, self.most = probability, most

    def draw(self, batch: Tensor, generator: torch.Generator) -> FlipParams:
        """Number and axes of the flips of each sample."""
        shape, device = (len(batch), self.most), batch.device
        going = (torch.rand(shape, generator=generator, device=device) < self.probability).long().cumprod(1).bool()
        axes = torch.randint(batch.ndim - 2, shape, generator=generator, device=device)
        return FlipParams(axes.where(going, axes.new_tensor(-1)))

    def apply(self, batch: Tensor, params: FlipParams, where: Tensor | None = None) -> Tensor:
        """Flip each sample; two flips along one axis cancel out."""
        if not on_cpu(batch):
            return apply_on_device(batch, params, where, _flip_device)
        axes = params.axes.tolist()

        def flip(n: int, sample: np.ndarray, out: np.ndarray) -> None:
            odd = tuple(axis + 1 for axis in range(3) if axes[n].count(axis) % 2)
            out[:] = np.flip(sample, odd)

        return map_samples(batch, where, flip)


def _flip_device(batch: Tensor, params: FlipParams) -> Tensor:
    for axis in range(batch.ndim - 2):
        odd = (params.axes == axis).sum(1) % 2 == 1
        batch = batch.flip(axis + 2).where(odd.view(-1, *[1] * (batch.ndim - 1)), batch)
    return batch
