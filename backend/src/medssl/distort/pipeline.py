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

    def apply(self, batch: Tensor, params: SometimesParams, where: Tensor | None = None) -> Tensor:
        """Distort the chosen samples; the others are copied."""
        return self.distortion.apply(batch, params.inner, _both(params.chosen, where))


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

    def apply(self, batch: Tensor, params: OneOfParams, where: Tensor | None = None) -> Tensor:
        """Distort each sample with what was chosen for it."""
        for number, distortion in enumerate(self.distortions):
            batch = distortion.apply(batch, params.inner[number], _both(params.choice == number, where))
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

    def apply(self, batch: Tensor, params: ChainParams, where: Tensor | None = None) -> Tensor:
        """Apply the links in their order."""
        for distortion, inner in zip(self.distortions, params.inner):
            batch = distortion.apply(batch, inner, where)
        return batch if self.distortions else batch.clone()


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


def _both(mask: Tensor, where: Tensor | None) -> Tensor:
    return mask if where is None else mask & where
