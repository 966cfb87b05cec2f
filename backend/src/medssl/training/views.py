"""Views of a micro-batch in parts: what memory is too small for is computed part by part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from medssl.networks.memory_format import FORMATS


def divided(views: Any, parts: int) -> list[tuple[float, Any]]:
    """Views in at most so many parts along their samples, each with its share of them."""
    if parts == 1:
        return [(1.0, views)]
    count = samples(views)
    ends = [count * n // min(parts, count) for n in range(min(parts, count) + 1)]
    return [
        ((end - first) / count, changed(views, lambda tensor, first=first, end=end: tensor[first:end]))  # type: ignore[misc]
        for first, end in pairwise(ends)
    ]


def samples(views: Any) -> int:
    """How many samples the views are of."""
    sizes: list[int] = []
    changed(views, lambda tensor: sizes.append(len(tensor)) or tensor)  # type: ignore[func-returns-value]
    return sizes[0]


def emptied(views: Any, count: int) -> Any:
    """Views of `count` samples like these, without their numbers and on the CPU."""

    def empty(tensor: Tensor) -> Tensor:
        wanted = FORMATS.get(tensor.ndim, torch.contiguous_format)
        laid = wanted if tensor.is_contiguous(memory_format=wanted) else torch.contiguous_format
        return torch.empty((count, *tensor.shape[1:]), dtype=tensor.dtype, memory_format=laid)

    return changed(views, empty)


def changed(views: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Views with every tensor changed that has an axis of samples, inside lists and dataclasses too."""
    if isinstance(views, Tensor):
        return change(views) if views.ndim else views
    if isinstance(views, (list, tuple)):
        return type(views)(changed(one, change) for one in views)
    if isinstance(views, dict):
        return {name: changed(one, change) for name, one in views.items()}
    if dataclasses.is_dataclass(views) and not isinstance(views, type):
        fields = {field.name: getattr(views, field.name) for field in dataclasses.fields(views)}
        return dataclasses.replace(views, **{name: changed(one, change) for name, one in fields.items()})
    return views
