"""What a distortion draws: plain tensors, one row per sample."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

P = TypeVar("P", bound="Params")


@dataclass(frozen=True)
class Params:
    """Base of all drawn parameters; every tensor's first dimension counts the samples of the batch."""

    def __getitem__(self: P, index: Any) -> P:
        """Keep some samples: a slice, a list, an index or mask tensor; an integer keeps a batch of one."""
        if isinstance(index, int):
            index = [index]
        return type(self)(*(_select(getattr(self, field.name), index) for field in dataclasses.fields(self)))


def _select(value: Any, index: Any) -> Any:
    return tuple(part[index] for part in value) if isinstance(value, tuple) else value[index]


class Distortion(Protocol):
    """Draw parameters for every sample of a batch, then apply them; applying is deterministic."""

    name: str

    def draw(self, batch: Tensor, generator: torch.Generator) -> Any:
        """Draw for `batch` (N, C, *spatial); only its shape and device are read. The generator lives on that device."""
        ...

    def apply(self, batch: Tensor, params: Any, where: Tensor | None = None) -> Tensor:
        """A distorted copy of `batch` (N, C, *spatial), float32 in 0…1; `where` (N,) bool: only these samples."""
        ...


def draw_seeds(batch: Tensor, generator: torch.Generator) -> Tensor:
    """One 62-bit seed per sample for draws that are functions of (seed, place): (N,) int64."""
    return torch.randint(2**62, (len(batch),), generator=generator, device=batch.device)


def draw_integers(low: Tensor, high: Tensor, generator: torch.Generator) -> Tensor:
    """Integers uniform in low…high, both included, of the shape of `low` and `high`; where high < low, low."""
    low, high = torch.broadcast_tensors(low, high)
    uniform = torch.rand(low.shape, generator=generator, device=low.device)
    return low + ((high - low + 1).clamp(min=1) * uniform).long().clamp(max=(high - low).clamp(min=0))
