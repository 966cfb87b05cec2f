"""Checks over all sets of a training: who trains and who is kept aside, that a resumed run sees the same, room for images."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medssl.core.errors import CatalogError
from medssl.core.files import write_atomic
from medssl.datasets.crops.multi_set import SetPart
from medssl.datasets.spec.tabular_dataset import TEST, TabularDataset

SHARE_OF_DISK = 0.9  # of what is free, that decoded images may take


class LeakageCheck:
    """Which images train and which are kept aside, over all sets."""

    def __init__(self) -> None:
        self._training: dict[str, str] = {}  # image -> set
        self._aside: dict[str, str] = {}

    def add(self, name: str, training: Sequence[str], aside: Sequence[str]) -> None:
        """The images of one set."""
        self._training.update(dict.fromkeys(training, name))
        self._aside.update(dict.fromkeys(aside, name))

    def check(self) -> None:
        """Refuse what would let the network see images that it is judged by.

        Raises:
            CatalogError: an image that trains in one set and validates or tests in another.
        """
        both = self._training.keys() & self._aside.keys()
        if both:
            first = min(both)
            raise CatalogError(
                f"{len(both)} images, the first {first},",
                f"train in set {self._training[first]} and are kept aside in set {self._aside[first]}",
                "Declare the same split for both sets, or name their patients alike",
            )


def test_images(declared: TabularDataset) -> list[str]:
    """The images that a set keeps for a test."""
    return [declared.images[n] for n in np.flatnonzero(declared.splits == TEST)]


def check_unchanged(path: Path, parts: Sequence[tuple[SetPart, SetPart]]) -> None:
    """Write a digest of every set into a run's folder, or hold the sets against those that are there.

    Raises:
        CatalogError: a set is not what the run began with.
    """
    digests = {training.name: [_digest(training), _digest(validation)] for training, validation in parts}
    if not path.exists():
        write_atomic(path, json.dumps(digests).encode())
        return
    begun = json.loads(path.read_text(encoding="utf-8"))
    changed = next((name for name, digest in digests.items() if begun.get(name) != digest), "")
    if changed:
        raise CatalogError(
            f"set {changed}", "is not what this run began with: its tables changed", "Put them back, or start a new run"
        )


def no_room_for(home: Path, parts: Sequence[tuple[SetPart, SetPart]], side: int) -> str:
    """Why decoded images cannot all be kept on the disk; "" where they can."""
    images = sum(len(part.images) for pair in parts for part in pair)
    disk = next(folder for folder in (home, *home.parents) if folder.exists())
    needed, free = images * side * side, shutil.disk_usage(disk).free
    if needed <= SHARE_OF_DISK * free:
        return ""
    return (
        f"{images} decoded images of {side} x {side} pixels take up to {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are "
        "free: they are not kept, and decoded in every epoch"
    )


def _digest(part: SetPart) -> str:
    told = hashlib.sha256("\n".join([part.kind, *part.classes, str(part.inverted), *part.images]).encode())
    told.update(np.ascontiguousarray(part.targets).tobytes())
    return told.hexdigest()
