"""Embeddings and indexes that stay between inspections, so that a click costs a comparison and no network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast


class Sized(Protocol):
    """What knows the memory that it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes."""


T = TypeVar("T", bound=Sized)
LARGEST = 512 * 2**20  # bytes


class WarmEmbeddings:
    """Patch grids and indexes by what they were made from, the least recently used leaving first."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest, self._warm = largest, OrderedDict[Hashable, Sized]()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What belongs to `key`, made where it is not there."""
        if key not in self._warm:
            self._warm[key] = make()
        self._warm.move_to_end(key)
        while len(self._warm) > 1 and sum(one.nbytes for one in self._warm.values()) > self._largest:
            self._warm.popitem(last=False)
        return cast(T, self._warm[key])
