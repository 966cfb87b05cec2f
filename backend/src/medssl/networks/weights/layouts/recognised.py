"""What a layout makes of a file's tensors, and the asking of all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from medssl.core.errors import MedSSLError, WeightsError
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import LAYOUTS
from medssl.networks.weights.containers import Part, readings

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Recognised:
    """A file's tensors under our names, and the network that they are of."""

    layout: str  # as the report calls it
    plan: Plan
    tensors: dict[str, Tensor]
    left_out: tuple[str, ...] = ()  # names that no network here wants
    holds: str = ""  # "encoder" or "backbone", of files that never hold more; "": the whole network


class Layout(Protocol):
    """An entry of `LAYOUTS`: None for files of another layout."""

    def __call__(self, path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> Recognised | None:
        """Hold names and shapes against those of the layout; `said` is what the file says beside its weights."""


def recognise(path: Path, part: Part, said: dict[str, Any]) -> Recognised:
    """The first layout of `LAYOUTS` that knows the names, as they are or without the wrappers before them.

    Raises:
        WeightsError: no layout does, or one does and cannot use the sizes.
    """
    for reading in readings(part):
        for name in LAYOUTS:
            if (found := _asked(name, path, reading, said)) is not None:
                return replace(found, left_out=(*reading.left_out, *found.left_out))
    raise WeightsError(
        path,
        f"has an unknown layout (its tensor names begin with {', '.join(list(part.tensors)[:3])})",
        f"Known: {', '.join(LAYOUTS)}; other networks cannot be built here",
        code="layout-unknown",
    )


def _asked(name: str, path: Path, reading: Part, said: dict[str, Any]) -> Recognised | None:
    """What one layout makes of the tensors.

    Raises:
        WeightsError: its names are there, but not all that its sizes are read from, or in shapes that it never has.
    """
    layout: Layout = load(LAYOUTS[name])
    try:
        return layout(path, reading.tensors, said)
    except MedSSLError:
        raise
    except (LookupError, ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"has shapes that it never has ({error})"
        raise WeightsError(
            path, f"looks like a file of {name}, but {what}", "Take another copy of the file, or other weights",
            code="layout-unusable",
        ) from error  # fmt: skip


def shapes_of(tensors: dict[str, Tensor]) -> Shapes:
    """Name -> shape."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
