"""Gaussian blur, each sample with its own width."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from medssl.distort.params import Params
from medssl.distort.samples import apply_on_device

REACH = 3.0  # standard deviations of the kernel


@dataclass(frozen=True)
class BlurParams(Params):
    """`sigma` (N,): standard deviations in voxels."""

    sigma: Tensor


class Blur:
    """Blur with a standard deviation uniform in `sigma`, in voxels, alike along all axes; the border is repeated."""

    name = "blur"

    def __init__(self, sigma: tuple[float, float] = (0.5, 1.0)) -> None:
        self.sigma = sigma

    def draw(self, batch: Tensor, generator: torch.Generator) -> BlurParams:
        """A width for each sample."""
        low, high = self.sigma
        return BlurParams(low + (high - low) * torch.rand(len(batch), generator=generator, device=batch.device))

    def apply(self, batch: Tensor, params: BlurParams, where: Tensor | None = None) -> Tensor:
        """Blurred copies of (N, C, *spatial)."""
        return apply_on_device(batch, params, where, self._blurred)

    def _blurred(self, batch: Tensor, params: BlurParams) -> Tensor:
        reach = math.ceil(REACH * self.sigma[1])  # of the widest: a sample is blurred alike in any batch
        offsets = torch.arange(reach + 1, device=batch.device)
        weights = torch.exp(-0.5 * (offsets / params.sigma[:, None]) ** 2)  # (N, reach + 1)
        weights = weights / (weights[:, :1] + 2 * weights[:, 1:].sum(1, keepdim=True))
        weights = weights.view(len(batch), reach + 1, *[1] * (batch.ndim - 1))
        for axis in range(2, batch.ndim):
            batch = _along(batch, axis, weights)
        return batch


def _along(batch: Tensor, axis: int, weights: Tensor) -> Tensor:
    """Shifted copies, two of a weight at a time."""
    reach, side = weights.shape[1] - 1, batch.shape[axis]
    padding = [0, 0] * (batch.ndim - 2)  # before and after each axis, the last one first
    last = 2 * (batch.ndim - 1 - axis)
    padding[last : last + 2] = [reach, reach]
    padded = functional.pad(batch, padding, mode="replicate")
    out = batch * weights[:, 0]
    for n in range(1, reach + 1):
        pair = padded.narrow(axis, reach - n, side) + padded.narrow(axis, reach + n, side)
        out.addcmul_(pair, weights[:, n].expand_as(pair))
    return out
