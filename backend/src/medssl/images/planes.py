"""2D images: as they are, or made of a 3D one by a view."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.volume import Volume, compact, guess_modality

PROJECTIONS = ("frontal", "lateral")
SLICE = re.compile(r"([ijk])(?::(\d+))?")
UPRIGHT = 0.5  # cosine between a slice's side and the way that readers look at it, at least
READ = {  # by the patient's axis (LPS) across a slice: where its columns and its rows run, as readers look at it
    0: ((0, 1, 0), (0, 0, -1), "the back at the right and the feet below"),
    1: ((1, 0, 0), (0, 0, -1), "the patient's left at the right and the feet below"),
    2: ((1, 0, 0), (0, 1, 0), "the patient's left at the right and the back below"),
}
HOW = "Choose a view: frontal or lateral (simulated radiographs of a CT), or a slice such as k:57"


def is_flat(shape: tuple[int, ...]) -> bool:
    """Two axes, or a third of length one, as Slicer holds pictures."""
    return len(shape) == 2 or shape[2] == 1


def as_plane(volume: Volume, view: str = "", inverted: bool = False) -> Volume:
    """The 2D image (column, row) that a volume is, or that a view makes of it; more absorption is brighter.

    Args:
        volume: 2D, of a single slice (both stay as they are, whatever the view), or 3D.
        view: "frontal" or "lateral": a simulated radiograph of a CT; "k:57", "j:12", "i:3": a slice, "k": the middle one.
        inverted: high values are dark; they are inverted.

    Raises:
        VolumeError: a 3D image without a view, an unknown view, a projection of what is no CT, a slice beyond the volume.
    """
    if volume.array.ndim == 2:
        plane = volume
    elif is_flat(volume.shape):
        plane = replace(volume, array=volume.array[..., 0])
    elif view in PROJECTIONS:
        plane = _project(volume, view)
    else:
        plane = _slice(volume, view)
    array = compact(plane.array)
    plane = replace(plane, array=inverse(array) if inverted else array)
    return plane if plane.modality else replace(plane, modality=guess_modality(plane.array))


def inverse(array: np.ndarray) -> np.ndarray:
    """Dark for bright. Within 0...255 about that range, so that 8-bit images keep their scale; else about the extremes."""
    low, high = array.min(), array.max()
    if array.dtype.kind in "iu" and low >= 0 and high <= 255:
        return (255 - array).astype(array.dtype)
    return (np.float64(low) + np.float64(high) - array).astype(array.dtype)


def _project(volume: Volume, view: str) -> Volume:
    from medssl.images.projection import project

    modality = volume.modality or guess_modality(volume.array)
    if modality != "CT":
        raise VolumeError(
            f"view {view!r} of {volume.name or 'a volume'} of modality {modality}",
            "needs a CT: only there do values tell what absorbs X-rays",
            "State the modality if it is a CT, or choose a slice such as k:57",
            code="not-ct",
        )
    return project(replace(volume, modality=modality), view)


def _slice(volume: Volume, view: str) -> Volume:
    """A slice with its place in the world; those along k are turned so that the patient's head is up."""
    name = volume.name or "volume"
    if not view:
        raise VolumeError(
            f"{name} of shape {volume.shape}", "is not a 2D image, which is needed here", HOW, code="not-2d"
        )
    parts = SLICE.fullmatch(view)
    if not parts:
        raise VolumeError(f"view {view!r} of {name}", "is unknown", HOW, code="view-unknown")
    axis = "ijk".index(parts[1])
    length = volume.shape[axis]
    number = int(parts[2]) if parts[2] else length // 2
    if number >= length:
        raise VolumeError(
            f"view {view!r} of {name}",
            f"lies beyond its {length} slices",
            f"Use 0 to {length - 1}",
            code="slice-out-of-range",
        )
    kept = [n for n in range(3) if n != axis]
    array, start, direction = np.take(volume.array, number, axis), np.zeros(3), volume.direction.copy()
    start[axis] = number
    if axis != 2 and direction[2, 2] > 0:  # k points to the head, and rows run down
        array, start[2], direction[:, 2] = array[:, ::-1], volume.shape[2] - 1, -direction[:, 2]
    direction = direction[:, [*kept, axis]]
    return replace(
        volume,
        array=array,
        spacing=np.array([*volume.spacing[kept], 1.0]),
        origin=volume.origin + volume.direction @ (volume.spacing * start),
        direction=direction,
        modality=volume.modality or guess_modality(volume.array),
        name=f"{name} {view}",
        notes=(*volume.notes, *_turn_notes(direction)),
    )


def _turn_notes(direction: np.ndarray) -> tuple[str, ...]:
    """What to know of a slice whose columns and rows do not run as readers look at it."""
    columns, rows, read = READ[int(np.abs(direction[:, 2]).argmax())]
    if min(direction[:, 0] @ columns, direction[:, 1] @ rows) >= UPRIGHT:
        return ()
    return (
        f"The slice is shown as it is stored, which is turned or mirrored: readers, and models of such slices, expect {read}. "
        "Bring the volume to LPS first (in Slicer: Orient Scalar Volume) and choose the slice there",
    )
