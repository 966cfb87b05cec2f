"""Embeddings that stay between inspections, so that a click costs a comparison and no network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medssl.inspection.embedding import PatchGrid

LARGEST = 512 * 2**20  # bytes


class WarmEmbeddings:
    """Patch grids by what they were made from, the least recently used leaving first."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest, self._warm = largest, OrderedDict[Hashable, "PatchGrid"]()

    def get(self, key: Hashable, make: Callable[[], PatchGrid]) -> PatchGrid:
        """The grid of `key`, made where it is not there."""
        if key not in self._warm:
            self._warm[key] = make()
        self._warm.move_to_end(key)
        while len(self._warm) > 1 and sum(grid.nbytes for grid in self._warm.values()) > self._largest:
            self._warm.popitem(last=False)
        return self._warm[key]
