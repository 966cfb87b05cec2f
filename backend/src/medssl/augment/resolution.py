"""Simulated low resolution: fewer samples along each axis, and back again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medssl.distort.params import Params
from medssl.distort.samples import apply_on_device


@dataclass(frozen=True)
class LowResolutionParams(Params):
    """`share` (N,): samples that remain along an axis."""

    share: Tensor


class LowResolution:
    """Take the nearest of a share (uniform in `share`) of the samples along each axis, then interpolate linearly.

    As nnU-Net's training does (Isensee et al., Nature Methods 18, 2021). Both steps are separable, so that each axis costs two
    look-ups and a blend, and no small image is made.
    """

    name = "low resolution"

    def __init__(self, share: tuple[float, float] = (0.5, 1.0)) -> None:
        self.share = share

    def draw(self, batch: Tensor, generator: torch.Generator) -> LowResolutionParams:
        """A share for each sample."""
        low, high = self.share
        return LowResolutionParams(
            low + (high - low) * torch.rand(len(batch), generator=generator, device=batch.device)
        )

    def apply(self, batch: Tensor, params: LowResolutionParams, where: Tensor | None = None) -> Tensor:
        """Coarse copies of (N, C, *spatial)."""
        return apply_on_device(batch, params, where, _coarse)


def _coarse(batch: Tensor, params: LowResolutionParams) -> Tensor:
    for axis in range(2, batch.ndim):
        low, high, weight = _taps(batch.shape[axis], params.share)
        shape = [len(batch), *[1] * (batch.ndim - 1)]
        shape[axis] = batch.shape[axis]
        first = batch.gather(axis, low.view(shape).expand_as(batch))
        second = batch.gather(axis, high.view(shape).expand_as(batch))
        batch = first.lerp_(second, weight.view(shape).expand_as(batch))
    return batch


def _taps(side: int, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each place (N, side): the two source voxels that are blended, and the weight of the second."""
    count = (share[:, None] * side).round().clamp(min=1)  # samples that remain
    place = (torch.arange(side, device=share.device) + 0.5) * count / side - 0.5
    place = place.clamp(min=0).minimum(count - 1)
    first = place.floor()
    second = (first + 1).minimum(count - 1)
    sources = [((n + 0.5) * side / count).floor().long().clamp(max=side - 1) for n in (first, second)]
    return sources[0], sources[1], place - first
