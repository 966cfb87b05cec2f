"""What every volume goes through once it is read: missing voxels, wide integers, skewed axes, reversed greys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from medssl.core.errors import VolumeError, counted, have
from medssl.images.formats.straight import straightened
from medssl.images.polarity import NOTE as INVERTED
from medssl.images.polarity import looks_inverted
from medssl.images.volume import Volume, compact, guess_modality

CT_BACKGROUND = -1024.0  # HU: air, whatever else the image shows
MOST_MISSING = 0.95  # of the voxels
FLOAT32 = float(np.finfo(np.float32).max)
INT32 = np.iinfo(np.int32)


def repaired(volume: Volume, path: Path, modality: str = "", labels: bool = False) -> Volume:
    """The volume as the rest of the code expects it, with a note of everything that was changed.

    Args:
        volume: as it was stored; NaN where a voxel is missing, axes as skewed as the file has them.
        path: for messages.
        modality: what the caller knows; "" asks the voxels.
        labels: whether values are numbers of classes, which are never mixed.

    Raises:
        VolumeError: no voxels, complex ones, or missing ones inside the image.
    """
    if volume.array.size == 0:
        raise VolumeError(path, "holds no voxels", "Take another copy of the file", code="no-voxels")
    array, notes = volume.array, list(volume.notes)
    if array.dtype.kind == "c":
        raise VolumeError(path, "holds complex numbers", "Save the magnitude alone", code="several-components")
    if array.dtype.kind == "f":
        array, missing = _filled(array, path, modality or volume.modality, labels)
        array, notes = compact(array), notes + missing
    elif array.dtype.itemsize == 8:
        array, narrowed = _narrowed(array)
        notes += narrowed
    if not labels and looks_inverted(array):
        notes.append(INVERTED)
    volume = replace(volume, array=array, notes=tuple(notes))
    return straightened(volume, lambda: background(array, modality or volume.modality, labels), labels)


def background(array: np.ndarray, modality: str, labels: bool = False) -> float:
    """The value of what lies outside the field of view: 0 of labels, air of a CT, else 0 or what is darker."""
    if labels:
        return 0.0
    if (modality or guess_modality(array)) == "CT":
        return CT_BACKGROUND
    return min(0.0, float(array.min()))


def _filled(array: np.ndarray, path: Path, modality: str, labels: bool) -> tuple[np.ndarray, list[str]]:
    """Voxels that are no numbers, replaced by the background where they lie outside the field of view."""
    low, high = float(array.min()), float(array.max())  # NaN where anything is: no mask is made for a sound image
    if low >= -FLOAT32 and high <= FLOAT32:
        return array, []
    missing = ~(np.abs(array) <= FLOAT32)
    count = int(missing.sum())
    if count > MOST_MISSING * array.size:
        raise VolumeError(
            path,
            f"holds {counted(count, 'voxel')} without a number (NaN or infinite), of {array.size}",
            "Export it again: nothing is left to look at",
            code="image-nan",
        )
    inside = count - int(_outside(missing).sum())
    if inside:
        raise VolumeError(
            path,
            f"holds {counted(inside, 'voxel')} without a number (NaN or infinite) inside the image",
            "Replace them, for example by the mean of their neighbours; only those that reach the image's border are filled",
            code="image-nan",
        )
    value = background(array[~missing], modality if array.ndim < 3 else modality or _kind(array[~missing]), labels)
    note = f"{counted(count, 'voxel')} outside the field of view {have(count)} no number: filled with {value:g}"
    return np.where(missing, array.dtype.type(value), array), [note]


def _kind(values: np.ndarray) -> str:
    return guess_modality(values.reshape(-1, 1, 1))


def _outside(missing: np.ndarray) -> np.ndarray:
    """The missing voxels that hang together, face to face, with one at the border of the array."""
    regions, _ = ndimage.label(missing)
    touching = [regions.take(end, axis) for axis in range(regions.ndim) if regions.shape[axis] > 1 for end in (0, -1)]
    known = np.zeros(int(regions.max()) + 1, bool)
    for face in touching:
        known[np.unique(face)] = True
    known[0] = False
    return known[regions]


def _narrowed(array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """64-bit integers as int32, else as float32, which holds seven digits."""
    low, high = int(array.min()), int(array.max())
    if INT32.min <= low and high <= INT32.max:
        return array.astype(np.int32), []
    return array.astype(np.float32), [
        f"Values from {low} to {high} are beyond 32-bit integers: they were kept as float32, to seven digits"
    ]
