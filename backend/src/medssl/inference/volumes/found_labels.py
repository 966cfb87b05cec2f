"""What becomes of a label map that a model found: its largest parts, and a table of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from medssl.images.segment_classes import SegmentClasses
from medssl.images.volume import Volume

COLUMNS = ("class", "value", "colour", "voxels", "volume_ml", "area_cm2")


def keep_largest(labels: np.ndarray, values: Sequence[int]) -> None:
    """Turn all but the largest connected part of each value into background, in place.

    Voxels that share a face are connected. Only the box around a value is looked at.
    """
    boxes = ndimage.find_objects(labels, max_label=max(values))
    for value in values:
        box = boxes[value - 1]
        if box is None:
            continue
        part = labels[box]
        numbers, count = ndimage.label(part == value)
        if count > 1:
            largest = 1 + int(np.bincount(numbers.ravel())[1:].argmax())
            part[(numbers > 0) & (numbers != largest)] = 0


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
