"""Leakage between the datasets of a training: images that train in one and are held out in another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medssl.core.errors import CatalogError, be, counted
from medssl.datasets.spec.tabular_dataset import TEST, TabularDataset


class LeakageCheck:
    """Which images train and which are held out, over all datasets."""

    def __init__(self) -> None:
        self._training: dict[str, str] = {}  # image -> set
        self._held_out: dict[str, str] = {}

    def add(self, name: str, training: Sequence[str], held_out: Sequence[str]) -> None:
        """The images of one dataset."""
        self._training.update(dict.fromkeys(training, name))
        self._held_out.update(dict.fromkeys(held_out, name))

    def check(self) -> None:
        """Refuse what would let the network see images that it is judged by.

        Raises:
            CatalogError: an image that trains in one set and validates or tests in another.
        """
        both = self._training.keys() & self._held_out.keys()
        if both:
            first = min(both)
            raise CatalogError(
                f"{counted(len(both), 'image')}, the first {first},",
                f"{'trains' if len(both) == 1 else 'train'} in set {self._training[first]} and "
                f"{be(len(both))} held out in set {self._held_out[first]}",
                "Give both the same split, or name their patients alike",
                code="leakage-between-datasets",
            )


def test_images(dataset: TabularDataset) -> list[str]:
    """The images that a dataset holds out for a test."""
    return [dataset.images[n] for n in np.flatnonzero(dataset.splits == TEST)]
