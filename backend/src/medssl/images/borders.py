"""Uniform borders of radiographs: collimation, letter boxes, burnt-in frames."""

from __future__ import annotations

import numpy as np

from medssl.core.errors import VolumeError

UNIFORM = 0.02  # of the image's range: rows and columns that vary less are border
KEPT = 0.5  # of each side, at least
SHORTEST, LONGEST_RATIO = 64, 4.0  # pixels; long side to short side

Box = tuple[int, int, int, int]  # x0, y0, width, height


def box_of(array: np.ndarray, modality: str) -> Box:
    """What of an image is looked at: a radiograph without uniform borders, all of others (air is part of a CT)."""
    return trimmed_box(array) if modality == "CXR" and array.ndim == 2 else (0, 0, array.shape[0], array.shape[1])


def trimmed_box(array: np.ndarray) -> Box:
    """The part of an image (column, row) inside uniform rows and columns at its edges.

    A row or column is uniform where it varies by less than 2 % of what the image varies (between its 0.5th and 99.5th
    percentile: a dead pixel is no range). At least half of each side is kept, the middle of what was found.
    """
    found = [(0, array.shape[0]), (0, array.shape[1])]
    for share in (0.0, UNIFORM):  # constant borders first: their grey is none of the image's
        low, high = np.percentile(array[slice(*found[0]), slice(*found[1])], (0.5, 99.5))
        found = _inside(array, found, share * (high - low))
    (x0, x1), (y0, y1) = (_at_least_half(*span, length) for span, length in zip(found, array.shape))
    return x0, y0, x1 - x0, y1 - y0


def _inside(array: np.ndarray, found: list[tuple[int, int]], limit: float) -> list[tuple[int, int]]:
    """First and last column and row (half open) that vary by more than `limit`; all where none does."""
    whole = found
    while True:  # once columns are gone, a row between them may be uniform too
        before, found = found, list(found)
        for axis in (0, 1):
            inside = array[slice(*found[0]), slice(*found[1])]
            alive = np.flatnonzero(np.ptp(inside, axis=1 - axis) > limit)
            if not alive.size:
                return whole
            first = found[axis][0]
            found[axis] = first + int(alive[0]), first + int(alive[-1]) + 1
        if found == before:
            return found


def check_box(box: Box, name: str) -> None:
    """Refuse what is too small or too long to be a radiograph.

    Raises:
        VolumeError: short side below 64 pixels, or long side above four times the short one.
    """
    short, long = sorted(box[2:])
    what = f"{name} of {box[2]} x {box[3]} pixels inside its borders"
    if short < SHORTEST:
        raise VolumeError(
            what,
            f"is too small: the short side must have {SHORTEST} at least",
            "Give the full image",
            code="image-too-small",
        )
    if long > LONGEST_RATIO * short:
        raise VolumeError(
            what,
            f"is longer than {LONGEST_RATIO:g} times its short side",
            "Crop it to what is to be looked at",
            code="image-too-long",
        )


def _at_least_half(first: int, last: int, length: int) -> tuple[int, int]:
    missing = int(np.ceil(KEPT * length)) - (last - first)
    if missing <= 0:
        return first, last
    first = min(max(first - missing // 2, 0), length - (last - first) - missing)
    return first, first + int(np.ceil(KEPT * length))
