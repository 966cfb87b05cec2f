"""Compose distortions. A composition is a distortion itself: draw, then apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from medssl.distort.params import Distortion, Params


@dataclass(frozen=True)
class SometimesParams(Params):
    """`chosen` (N,) bool: which samples are distorted; `inner`: drawn for all of them."""

    chosen: Tensor
    inner: Any


class Sometimes:
    """Distort each sample with probability `probability`."""

    name = "sometimes"

    def __init__(self, probability: float, distortion: Distortion) -> None:
        self.probability, self.distortion = probability, distortion

    def draw(self, batch: Tensor, generator: torch.Generator) -> SometimesParams:
        """Decide for each sample and draw the parameters."""
        chosen = torch.rand(len(batch), generator=generator, device=batch.device) < self.probability
        return SometimesParams(chosen, self.distortion.draw(batch, generator))

    def apply(self, batch: Tensor, params: SometimesParams) -> Tensor:
        """Distort the chosen samples; the others are copied."""
        return _apply_where(params.chosen, self.distortion, batch, params.inner)


@dataclass(frozen=True)
class OneOfParams(Params):
    """`choice` (N,) int64: which of the distortions; `inner`: the parameters of each, drawn for all samples."""

    choice: Tensor
    inner: tuple[Any, ...]


class OneOf:
    """Exactly one of several distortions for each sample, with given probabilities that sum to 1."""

    name = "one of"

    def __init__(self, *weighted: tuple[float, Distortion]) -> None:
        self.probabilities, self.distortions = zip(*weighted)
        assert abs(sum(self.probabilities) - 1) < 1e-6, "probabilities sum to 1"

    def draw(self, batch: Tensor, generator: torch.Generator) -> OneOfParams:
        """Choose for each sample and draw the parameters."""
        bounds = torch.tensor(self.probabilities, device=batch.device).cumsum(0)[:-1]
        draw = torch.rand(len(batch), generator=generator, device=batch.device)
        inner = tuple(distortion.draw(batch, generator) for distortion in self.distortions)
        return OneOfParams((draw[:, None] >= bounds).sum(1), inner)

    def apply(self, batch: Tensor, params: OneOfParams) -> Tensor:
        """Distort each sample with what was chosen for it."""
        for number, distortion in enumerate(self.distortions):
            batch = _apply_where(params.choice == number, distortion, batch, params.inner[number])
        return batch


@dataclass(frozen=True)
class ChainParams(Params):
    """`inner`: the parameters of each link."""

    inner: tuple[Any, ...]


class Chain:
    """One distortion after another."""

    name = "chain"

    def __init__(self, *distortions: Distortion) -> None:
        self.distortions = distortions

    def draw(self, batch: Tensor, generator: torch.Generator) -> ChainParams:
        """Draw for every link."""
        return ChainParams(tuple(distortion.draw(batch, generator) for distortion in self.distortions))

    def apply(self, batch: Tensor, params: ChainParams) -> Tensor:
        """Apply the links in their order."""
        for distortion, inner in zip(self.distortions, params.inner):
            batch = distortion.apply(batch, inner)
        return batch


def describe(distortion: Distortion, params: Any, count: int) -> list[list[str]]:
    """The names of the distortions that each of `count` samples got, in order, as plain JSON values."""
    if isinstance(distortion, Chain):
        links = [describe(d, p, count) for d, p in zip(distortion.distortions, params.inner)]
        return [[name for link in links for name in link[n]] for n in range(count)]
    if isinstance(distortion, Sometimes):
        names = describe(distortion.distortion, params.inner, count)
        return [name if chosen else [] for name, chosen in zip(names, params.chosen.tolist())]
    if isinstance(distortion, OneOf):
        options = [describe(d, p, count) for d, p in zip(distortion.distortions, params.inner)]
        return [options[choice][n] for n, choice in enumerate(params.choice.tolist())]
    return [[distortion.name] for _ in range(count)]


def _apply_where(mask: Tensor, distortion: Distortion, batch: Tensor, params: Any) -> Tensor:
    """Only the samples of `mask` (N,) pass through `distortion`."""
    index = mask.nonzero().squeeze(1)
    if len(index) == len(mask):
        return distortion.apply(batch, params)
    out = batch.clone()
    if len(index):
        out[index] = distortion.apply(batch[index], params[index])
    return out
