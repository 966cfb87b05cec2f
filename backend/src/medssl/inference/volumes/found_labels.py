"""A table of the classes of a label map that a model found."""

from __future__ import annotations

from typing import Any

import numpy as np

from medssl.images.segment_classes import SegmentClasses
from medssl.images.volume import Volume

COLUMNS = ("class", "value", "colour", "voxels", "volume_ml", "area_cm2")


def class_table(labels: np.ndarray, classes: SegmentClasses, source: Volume) -> list[dict[str, Any]]:
    """A row per class (`COLUMNS`): voxels, and their volume (3D) or their area (2D with known spacing)."""
    counts = _counts(labels, max(classes.values))
    flat = labels.ndim == 2
    known = not flat or tuple(source.spacing[:2]) != (1.0, 1.0)  # what readers say of pictures
    size = float(np.prod(source.spacing[: labels.ndim])) / (100 if flat else 1000)  # cm2, ml
    rows = []
    for one in classes.segments:
        voxels = int(counts[one.value])
        measure = voxels * size if known else None
        rows.append(
            {
                "class": one.name, "value": one.value, "colour": one.colour, "voxels": voxels,
                "volume_ml": None if flat else measure, "area_cm2": measure if flat else None,
            }
        )  # fmt: skip
    return rows


def _counts(labels: np.ndarray, largest: int) -> np.ndarray:
    """(largest + 1,) voxels of each value, slice by slice: bincount wants 64 bits a voxel."""
    slices = np.moveaxis(labels, -1, 0) if labels.ndim == 3 else labels[None]
    return sum(
        (np.bincount(part.ravel(order="K"), minlength=largest + 1) for part in slices), np.zeros(largest + 1, int)
    )
