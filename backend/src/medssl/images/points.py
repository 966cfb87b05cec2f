"""A place in a volume that a question is about: candidates such as nodules, and the box around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.volume import LPS_TO_RAS, Volume

MARGIN = 4  # voxels of the source around what is resampled, so that its edges are those of the whole


def located(volume: Volume, point: Sequence[float], frame: str) -> Volume:
    """The volume with a place in it.

    Args:
        volume: 3D, as its file stores it.
        point: three numbers.
        frame: RAS or LPS (mm), or voxel (i, j, k of the file, 0 at the centre of the first).

    Raises:
        VolumeError: outside the volume.
    """
    place = np.asarray(point, float)
    if frame == "voxel":
        place = volume.origin + volume.direction @ (volume.spacing * place)
    elif frame == "RAS":
        place = LPS_TO_RAS @ place
    index = index_of(volume, place)
    check_inside(
        index, volume.shape, f"point {' '.join(f'{p:g}' for p in point)} ({frame}) of {volume.name or 'a volume'}"
    )
    return replace(volume, point=(float(place[0]), float(place[1]), float(place[2])))


def index_of(volume: Volume, place: Sequence[float] | np.ndarray) -> np.ndarray:
    """(3,) continuous voxel indices of a place in mm of the LPS frame."""
    return np.linalg.solve(volume.direction * volume.spacing, np.asarray(place, float) - volume.origin)


def check_inside(index: np.ndarray, shape: Sequence[int], what: str) -> None:
    """Refuse a place that no voxel covers.

    Raises:
        VolumeError: it lies beyond the volume.
    """
    if (index < -0.5).any() or (index > np.array(shape) - 0.5).any():
        where = ", ".join(f"{n:.0f}" for n in index)
        raise VolumeError(
            what,
            f"lies outside: at voxel ({where}) of {' x '.join(map(str, shape))}",
            "Check the frame of its coordinates: RAS (as Slicer shows them), LPS, or voxel",
            code="place-outside",
        )


def box_around(index: np.ndarray, size: Sequence[int]) -> tuple[int, ...]:
    """First voxels of the box of `size` whose centre is nearest to an index; may lie beyond the volume."""
    return tuple(int(np.floor(c - (side - 1) / 2 + 0.5)) for c, side in zip(index, size))


def padded_box(array: np.ndarray, start: Sequence[int], size: Sequence[int], fill: float) -> np.ndarray:
    """A box of an array (i, j, k), `fill` where it reaches beyond."""
    first = [min(max(s, 0), n) for s, n in zip(start, array.shape)]
    last = [min(max(s + side, 0), n) for s, side, n in zip(start, size, array.shape)]
    box = np.full(size, fill, array.dtype)
    inside = array[tuple(slice(a, b) for a, b in zip(first, last))]
    box[tuple(slice(a - s, a - s + n) for a, s, n in zip(first, start, inside.shape))] = inside
    return box
