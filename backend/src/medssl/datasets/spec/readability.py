"""Readability of a dataset's images: all of a training's steps up to its first distortion are tried on each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from medssl.core.errors import VolumeError
from medssl.datasets.spec.table_stream import Progress
from medssl.datasets.spec.tabular_dataset import TabularDataset
from medssl.images.formats.reading import read_volume
from medssl.images.radiograph import as_radiograph

AT_ONCE = 64  # images between two reports of progress
THREADS = 8


@dataclass
class Readability:
    """What reading images showed."""

    unreadable: list[dict[str, str]] = field(default_factory=list)  # {value: the file, rule, remedy}
    inverted: int = 0  # images that look so


def read_images(dataset: TabularDataset, numbers: Sequence[int], progress: Progress) -> Readability:
    """Read images of a set in threads; `progress` may raise to stop."""
    found = Readability()

    def read(number: int) -> tuple[dict[str, str] | None, bool]:
        try:
            radiograph = as_radiograph(read_volume(dataset.images[number], "CXR"), "", dataset.inverted)
        except VolumeError as error:
            return {"value": error.value, "rule": error.rule, "remedy": error.remedy}, False
        return None, any("inverted" in note for note in radiograph.notes)

    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for first in range(0, len(numbers), AT_ONCE):
            progress(first / len(numbers), f"reading images of {dataset.name}: {first} of {len(numbers)}")
            for problem, inverted in pool.map(read, numbers[first : first + AT_ONCE]):
                found.inverted += inverted
                if problem:
                    found.unreadable.append(problem)
    return found
