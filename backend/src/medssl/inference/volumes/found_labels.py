"""A table of the classes of a label map that a model found."""

from __future__ import annotations

from typing import Any

import numpy as np

from medssl.images.segment_classes import SegmentClasses
from medssl.images.volume import Volume

COLUMNS = ("class", "value", "colour", "voxels", "volume_ml", "area_cm2")
AT_A_TIME = 2**20  # voxels that are counted


def class_table(labels: np.ndarray, classes: SegmentClasses, source: Volume) -> list[dict[str, Any]]:
    """A row per class (`COLUMNS`): voxels, and their volume (3D) or their area (2D with known spacing)."""
    found = counts(labels, max(classes.values) + 1)
    flat = labels.ndim == 2
    known = not flat or tuple(source.spacing[:2]) != (1.0, 1.0)  # what readers say of pictures
    size = float(np.prod(source.spacing[: labels.ndim])) / (100 if flat else 1000)  # cm2, ml
    rows = []
    for one in classes.segments:
        voxels = int(found[one.value])
        measure = voxels * size if known else None
        rows.append(
            {
                "class": one.name, "value": one.value, "colour": one.colour, "voxels": voxels,
                "volume_ml": None if flat else measure, "area_cm2": measure if flat else None,
            }
        )  # fmt: skip
    return rows


def counts(labels: np.ndarray, count: int) -> np.ndarray:
    """(count,) voxels of each value 0...count - 1, some slices at a time: bincount wants 64 bits a voxel."""
    slices = np.moveaxis(labels, int(np.abs(labels.strides).argmax()), 0)  # as they lie in memory
    depth = max(AT_A_TIME * len(slices) // max(labels.size, 1), 1)
    found = np.zeros(count, int)
    for first in range(0, len(slices), depth):
        found += np.bincount(slices[first : first + depth].ravel(order="K"), minlength=count)
    return found
