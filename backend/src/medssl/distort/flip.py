"""Mirror a cube along random axes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medssl.distort.params import Params


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

    def apply(self, batch: Tensor, params: FlipParams) -> Tensor:
        """Flip each sample; two flips along one axis cancel out."""
        out = batch.clone()
        for axis in range(batch.ndim - 2):
            odd = (params.axes == axis).sum(1) % 2 == 1
            index = odd.nonzero().squeeze(1)
            out[index] = out[index].flip(axis + 2)
        return out
