"""Noise, brightness, contrast and gamma; images are in 0…1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medssl.distort.params import Params, draw_seeds
from medssl.distort.samples import apply_on_device

TINY = 1e-7


@dataclass(frozen=True)
class NoiseParams(Params):
    """`share` (N,): the noise's standard deviation over that of the image; `seeds` (N,) int64: of the noise itself."""

    share: Tensor
    seeds: Tensor


class Noise:
    """Gaussian noise whose standard deviation is up to a share of the image's own (uniform)."""

    name = "noise"

    def __init__(self, share: float = 0.1) -> None:
        self.share = share

    def draw(self, batch: Tensor, generator: torch.Generator) -> NoiseParams:
        """How strong, and a seed."""
        drawn = torch.rand(len(batch), generator=generator, device=batch.device)
        return NoiseParams(self.share * drawn, draw_seeds(batch, generator))

    def apply(self, batch: Tensor, params: NoiseParams, where: Tensor | None = None) -> Tensor:
        """Noisy copies of (N, C, *spatial)."""
        return apply_on_device(batch, params, where, _noisy)


@dataclass(frozen=True)
class FactorParams(Params):
    """`factor` (N,)."""

    factor: Tensor


class Brightness:
    """Multiply the values by a number uniform in `factor`."""

    name = "brightness"

    def __init__(self, factor: tuple[float, float] = (0.75, 1.25)) -> None:
        self.factor = factor

    def draw(self, batch: Tensor, generator: torch.Generator) -> FactorParams:
        """A factor for each sample."""
        low, high = self.factor
        return FactorParams(low + (high - low) * torch.rand(len(batch), generator=generator, device=batch.device))

    def apply(self, batch: Tensor, params: FactorParams, where: Tensor | None = None) -> Tensor:
        """Brighter or darker copies of (N, C, *spatial)."""
        return apply_on_device(batch, params, where, lambda b, p: b * _beside(p.factor, b))


class Contrast:
    """Stretch the values about their mean by a factor, below or above 1 with equal chance; the range is kept."""

    name = "contrast"

    def __init__(self, factor: tuple[float, float] = (0.75, 1.25)) -> None:
        self.factor = factor

    def draw(self, batch: Tensor, generator: torch.Generator) -> FactorParams:
        """A factor for each sample."""
        return FactorParams(_about_one(*self.factor, batch, generator))

    def apply(self, batch: Tensor, params: FactorParams, where: Tensor | None = None) -> Tensor:
        """Copies of (N, C, *spatial) with more or less contrast."""
        return apply_on_device(batch, params, where, _stretched)


class Gamma:
    """Raise the values, scaled to 0…1, to a power below or above 1 with equal chance; mean and deviation are kept.

    Args:
        power: smallest and largest.
        inverted: bright is dark meanwhile, so that the other end of the range is bent.
    """

    name = "gamma"

    def __init__(self, power: tuple[float, float] = (0.7, 1.5), inverted: bool = False) -> None:
        self.power, self.inverted = power, inverted

    def draw(self, batch: Tensor, generator: torch.Generator) -> FactorParams:
        """A power for each sample."""
        return FactorParams(_about_one(*self.power, batch, generator))

    def apply(self, batch: Tensor, params: FactorParams, where: Tensor | None = None) -> Tensor:
        """Bent copies of (N, C, *spatial)."""
        return apply_on_device(batch, params, where, self._bent)

    def _bent(self, batch: Tensor, params: FactorParams) -> Tensor:
        signed = -batch if self.inverted else batch
        flat = signed.flatten(1)
        low, high = flat.amin(1), flat.amax(1)
        scaled = (signed - _beside(low, batch)) / _beside((high - low).clamp(min=TINY), batch)
        bent = scaled.clamp_(0, 1).pow_(_beside(params.factor, batch))
        (mean, deviation), (now, spread) = _moments(signed), _moments(bent)
        bent = (bent - now) * (deviation / spread.clamp(min=TINY)) + mean
        return -bent if self.inverted else bent


def _noisy(batch: Tensor, params: NoiseParams) -> Tensor:
    _mean, deviation = _moments(batch)
    noise = torch.empty_like(batch, memory_format=torch.contiguous_format)
    for sample, seed in zip(noise, params.seeds.tolist()):
        sample.normal_(generator=torch.Generator(batch.device).manual_seed(seed))
    return noise.mul_(_beside(params.share, batch) * deviation).add_(batch)


def _stretched(batch: Tensor, params: FactorParams) -> Tensor:
    flat = batch.flatten(1)
    mean = _beside(flat.mean(1), batch)
    low, high = _beside(flat.amin(1), batch), _beside(flat.amax(1), batch)
    return ((batch - mean) * _beside(params.factor, batch) + mean).clamp(low, high)


def _about_one(low: float, high: float, batch: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform in low…1 or in 1…high, with equal chance: (N,)."""
    below, place = torch.rand((2, len(batch)), generator=generator, device=batch.device)
    return torch.where(below < 0.5, low + (1 - low) * place, 1 + (high - 1) * place)


def _moments(batch: Tensor) -> tuple[Tensor, Tensor]:
    flat = batch.flatten(1)
    mean = flat.mean(1)
    deviation = (flat - mean[:, None]).square_().mean(1).sqrt_()  # torch's own is forty times as slow on the CPU
    return _beside(mean, batch), _beside(deviation, batch)


def _beside(values: Tensor, batch: Tensor) -> Tensor:
    """(N,) so that it is broadcast over (N, C, *spatial)."""
    return values.view(-1, *[1] * (batch.ndim - 1))
