"""How well does a label map agree with the truth? Overlap, surface distances and volumes of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from medssl.core.errors import VolumeError

METRICS = ("dice", "iou", "surface_dice", "hd95")
MEAN = "mean"
ML = 1000.0  # cubic millimetres


def case_metrics(
    predicted: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float] | np.ndarray,
    classes: Sequence[str],
    tolerance_mm: float = 1.0,
) -> list[dict[str, Any]]:
    """The metrics of one case, a row per class and at the end their mean.

    A class that is in neither map has no score (None): nothing was there to agree on. One that is in only one of them is
    missed: it scores 0, and its Hausdorff distance is the image's diagonal, so that finding nothing never looks better than
    finding the wrong place. The mean leaves out what is unknown. Volumes are those of 3D maps.

    Args:
        predicted, truth: class numbers (i, j, k) or (i, j), 0 is background, 1 the first of `classes`.
        spacing: mm along the axes; a third number for a 2D map is not used.
        classes: names.
        tolerance_mm: how far a surface may be off without counting as wrong in `surface_dice`.

    Returns:
        class, dice, iou, surface_dice, hd95 (mm), missed (1 or 0; of the mean: how many classes), volume_ml, reference_volume_ml.

    Raises:
        VolumeError: the maps differ in shape.
    """
    if predicted.shape != truth.shape:
        rule = f"does not fit the truth's {truth.shape}"
        raise VolumeError(
            f"label map of shape {predicted.shape}", rule, "Compare maps of the same image", code="grid-mismatch"
        )
    steps = np.asarray(spacing, float)[: truth.ndim]
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(classes, start=1):
        rows.append({"class": name, **_compare(predicted == number, truth == number, steps, tolerance_mm)})
    return [*rows, mean_row(rows)]


def mean_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The row "mean" of a case, of the rows of its classes; what none of them has is None."""
    means = {metric: mean_known([row.get(metric) for row in rows]) for metric in METRICS}
    missed = [row["missed"] for row in rows if row.get("missed") is not None]
    volumes = {name: _total([row.get(name) for row in rows]) for name in ("volume_ml", "reference_volume_ml")}
    return {"class": MEAN, **means, "missed": sum(missed) if missed else None, **volumes}


def mean_known(values: Sequence[float | None]) -> float | None:
    """The mean without unknown values (None)."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def surface_distances(
    mask: np.ndarray, truth: np.ndarray, spacing: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm from each border voxel of either mask to the border of the other; both must hold something.

    Border voxels have a face neighbour outside the mask; beyond the image is outside.
    """
    box = _box(mask | truth)
    borders = [part ^ ndimage.binary_erosion(part) for part in (mask[box], truth[box])]
    to_truth, to_mask = (ndimage.distance_transform_edt(~border, sampling=spacing) for border in borders[::-1])
    return to_truth[borders[0]], to_mask[borders[1]]


def _compare(mask: np.ndarray, truth: np.ndarray, steps: np.ndarray, tolerance: float) -> dict[str, float | None]:
    sizes = [int(np.count_nonzero(part)) for part in (mask, truth)]
    litres = [size * float(np.prod(steps)) / ML if truth.ndim == 3 else None for size in sizes]
    volumes = {"volume_ml": litres[0], "reference_volume_ml": litres[1]}
    if 0 in sizes:
        if sizes == [0, 0]:
            return {**dict.fromkeys(METRICS), "missed": 0, **volumes}
        diagonal = float(np.linalg.norm(np.array(truth.shape) * steps))
        return {"dice": 0.0, "iou": 0.0, "surface_dice": 0.0, "hd95": diagonal, "missed": 1, **volumes}
    both = int(np.count_nonzero(mask & truth))
    there, back = surface_distances(mask, truth, steps)
    near = np.count_nonzero(there <= tolerance) + np.count_nonzero(back <= tolerance)
    return {
        "dice": 2 * both / sum(sizes),
        "iou": both / (sum(sizes) - both),
        "surface_dice": near / (len(there) + len(back)),
        "hd95": float(max(np.percentile(there, 95), np.percentile(back, 95))),
        "missed": 0,
        **volumes,
    }


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if known else None


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds the mask; distances between borders do not need more."""
    box = []
    for axis in range(mask.ndim):
        places = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(box)
