"""Pixels of DICOM planes in the units that the rescale tags give, with padding replaced by background."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

from medssl.images.dicom.decoding import PIXELS_DAMAGED, read_whole, stored_frames
from medssl.images.dicom.grid import Grid
from medssl.images.dicom.header import refusing, text, whole
from medssl.images.dicom.planes import Plane
from medssl.images.dicom.tilt import straighten
from medssl.images.formats.guards import check_memory

AIR = (-1024, -1000)  # HU: what the background of a CT may be


def read_planes(planes: Sequence[Plane], grid: Grid, source: Path, modality: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The voxels (i, j, k) on the grid, and notes on what was padding, interpolated or straightened.

    Raises:
        VolumeError: damaged pixels, or more than the memory holds.
    """
    columns, rows = planes[0].shape
    number = max(len(planes), grid.slices)
    check_memory(source, (columns, rows, number), 5 * columns * rows * number)  # with one byte for padding
    exact = all(float(value).is_integer() for plane in planes for value in plane.rescale)
    array = np.empty((columns, rows, len(planes)), np.int32 if exact else np.float32, order="F")
    padded = np.zeros(array.shape, bool, order="F")
    at = {(planes[n].path, planes[n].frame): k for k, n in enumerate(grid.order)}
    for path in dict.fromkeys(plane.path for plane in planes):
        own = sorted((plane for plane in planes if plane.path == path), key=lambda plane: plane.frame)
        for plane, (values, padding) in zip(own, _frames(path, own), strict=True):
            k = at[path, plane.frame]
            array[..., k], padded[..., k] = values, padding
    fill = background(array, padded, modality)
    changed = 0
    if padded.any():
        changed = int(np.count_nonzero(padded & (array != fill)))
        array[padded] = fill
    notes = (f"{changed:,} voxels of padding (PixelPaddingValue) were set to {fill:g}.",) if changed else ()
    if modality == "CT" and all(plane.rescale == (1, 0) for plane in planes) and not (array[~padded] < 0).any():
        notes = (*notes, "No value is below 0 and no RescaleIntercept lowers them: these are hardly Hounsfield units.")
    if grid.drift.any():
        array = straighten(array, grid.drift / grid.spacing[:2], fill)
    return (array if grid.even else _interpolate(array, grid)), notes


def background(array: np.ndarray, padded: np.ndarray, modality: str) -> float:
    """What stands where nothing was measured: air in a CT, else 0 or the least value if that is less."""
    least = float(array.min(where=~padded, initial=np.inf if array.dtype.kind == "f" else np.iinfo(array.dtype).max))
    return float(np.clip(least, *AIR)) if modality == "CT" else min(least, 0.0)


def _frames(path: Path, planes: Sequence[Plane]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Values (i, j) and padding of each plane of one file, in order of frames; one frame in memory at a time."""
    image = read_whole(path)
    with refusing(path, PIXELS_DAMAGED):
        for plane, frame in zip(planes, stored_frames(image, [plane.frame for plane in planes]), strict=True):
            if frame.shape != plane.shape[::-1]:
                raise ValueError(f"pixels of shape {frame.shape} where {plane.shape[::-1]} were announced")
            slope, intercept = plane.rescale
            stored: np.ndarray = frame.T
            values: np.ndarray
            if image.get("ModalityLUTSequence") and not text(image, "RescaleSlope"):
                values = np.asarray(apply_modality_lut(stored, image))
            elif slope.is_integer() and intercept.is_integer() and stored.dtype.kind in "iu":
                values = stored.astype(np.int64) * int(slope) + int(intercept)
                if np.abs(values).max() > np.iinfo(np.int32).max:
                    raise ValueError(
                        f"RescaleSlope {slope:g} and RescaleIntercept {intercept:g} leave the range of values"
                    )
            else:
                values = stored * slope + intercept
            yield values, padding_of(image, stored)


def padding_of(image: Dataset, stored: np.ndarray) -> np.ndarray:
    """Where stored pixels are padding: PixelPaddingValue, up to PixelPaddingRangeLimit where that stands."""
    value, limit = (text(image, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if not value or "\\" in value:
        return np.zeros(stored.shape, bool)
    ends = [_as_stored(int(float(one)), image) for one in (value, limit or value)]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, image: Dataset) -> int:
    """The padding in the pixels' own sign: some writers state -2000 of unsigned pixels, or 63536 of signed ones."""
    bits = whole(image, "BitsAllocated", 16)
    if whole(image, "PixelRepresentation"):
        return value - 2**bits if value >= 2 ** (bits - 1) else value
    return value + 2**bits if value < 0 else value


def _interpolate(array: np.ndarray, grid: Grid) -> np.ndarray:
    """Every slice of the grid from the two planes beside it, linearly; planes on the grid stay as they are."""
    out = np.empty((*array.shape[:2], grid.slices), array.dtype, order="F")
    for k in range(grid.slices):
        upper = int(np.clip(np.searchsorted(grid.places, k - 1e-6), 0, len(grid.places) - 1))
        lower = upper if abs(grid.places[upper] - k) < 1e-6 or upper == 0 else upper - 1
        if lower == upper:
            out[..., k] = array[..., upper]
            continue
        weight = (k - grid.places[lower]) / (grid.places[upper] - grid.places[lower])
        between = array[..., lower] * (1 - weight) + array[..., upper] * weight
        out[..., k] = np.rint(between) if array.dtype.kind == "i" else between
    return out
