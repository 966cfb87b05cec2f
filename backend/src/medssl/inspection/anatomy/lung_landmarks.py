"""Landmarks of frontal chest radiographs from outlines of the lungs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from medssl.core.errors import InputError, NotFoundError, VolumeError
from medssl.datasets.entry import Entry
from medssl.images.formats.reading import read_volume

SMALLEST_SHARE = 0.01  # of the image: smaller pieces of a mask are not lungs


def landmarks_of_masks(entries: Sequence[Entry], folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of lung landmarks from masks, files of the images' names in a folder, and notes on images left out.

    Raises:
        NotFoundError: no mask for any image.
        VolumeError: a mask that is not 2D.
    """
    masks = {path.name.partition(".")[0]: path for path in sorted(folder.glob("*")) if path.is_file()}
    rows, notes = [], []
    for entry in entries:
        path = masks.get(entry.image.name.partition(".")[0])
        if path is None:
            notes.append(f"{entry.name}: no mask")
            continue
        mask = read_volume(path)
        if mask.array.ndim != 2:
            raise VolumeError(path, "is not 2D", "Give masks of the radiographs themselves")
        try:
            found = lung_landmarks(mask.array.T)
        except InputError as error:
            notes.append(f"{entry.name}: {error.value} {error.rule}")
            continue
        rows += [{"image": str(entry.image), "landmark": name, "x": x, "y": y} for name, (x, y) in found.items()]
    if not rows:
        raise NotFoundError(
            folder, "holds no mask of two lungs for any image", "Name masks as the images", code="lung-masks-missing"
        )
    return rows, notes


def lung_landmarks(mask: np.ndarray) -> dict[str, tuple[float, float]]:
    """Apex, costophrenic angle and widest point of both lungs.

    The apex is the highest pixel of a lung, the costophrenic angle the one furthest down and outwards (along the
    diagonal), the widest point the one furthest outwards; of equal ones the middle. `right` is the patient's right, on the
    left of the image.

    Args:
        mask: (rows, columns), above 0 in the lungs.

    Returns:
        name: (x, y), the pixel's column and row.

    Raises:
        InputError: the mask does not show two lungs.
    """
    labels, count = ndimage.label(np.asarray(mask) > 0)
    sizes = ndimage.sum_labels(labels > 0, labels, range(1, count + 1))
    large = [n + 1 for n in np.argsort(sizes)[::-1][:2] if sizes[n] >= SMALLEST_SHARE * labels.size]
    if len(large) < 2:
        raise InputError(f"mask with {len(large)} lungs", "must show two that do not touch", "Correct the mask")
    places = [np.argwhere(labels == label) for label in large]  # (pixels, 2) rows and columns
    places.sort(key=lambda pixels: pixels[:, 1].mean())
    found = {}
    for side, outwards, pixels in (("right", -1, places[0]), ("left", 1, places[1])):
        rows, columns = pixels[:, 0], outwards * pixels[:, 1]
        for name, score in (("apex", -rows), ("costophrenic_angle", rows + columns), ("widest_point", columns)):
            best = pixels[score == score.max()]
            y, x = best[np.argsort(best[:, 0])[len(best) // 2]] if name != "apex" else np.median(best, axis=0)
            found[f"{name}_{side}"] = (float(x), float(y))
    return found
