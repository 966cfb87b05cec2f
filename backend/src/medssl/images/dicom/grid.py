"""The grid of a stack of planes: their order, their distance, what is missing, and a tilted gantry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medssl.core.errors import VolumeError, listed
from medssl.images.dicom.planes import Plane, axis_decimals, rounding_of
from medssl.images.dicom.tilt import drift_of

TOLERANCE = 0.01  # of the slice distance, plus as many mm: what a position may lie beside the grid without a word
FEW_HOLES = 0.15  # of the slices: more even gaps than that in rounded positions come from the rounding
REMEDY = 'Export the series again, complete, or have it filled: --fill-gaps, in Python medssl.read_volume(folder, gaps="resample")'


@dataclass(frozen=True)
class Grid:
    """Where the slices of a volume lie, in LPS and mm."""

    order: tuple[int, ...]  # of the planes, along the normal
    places: np.ndarray  # (planes,): the slice of the grid that each ordered plane is; fractions where it lies between
    slices: int
    spacing: np.ndarray  # (3,)
    origin: np.ndarray  # (3,)
    direction: np.ndarray  # (3, 3)
    drift: np.ndarray  # (planes, 2): mm along i and j that each ordered plane lies beside the first one's normal
    notes: tuple[str, ...]

    @property
    def even(self) -> bool:
        """Is each slice of the grid one of the planes?"""
        return self.slices == len(self.order) and bool((self.places == np.arange(self.slices)).all())


def lay_out(planes: Sequence[Plane], source: Path, gaps: str = "refuse") -> Grid:
    """The grid of planes of one size; `gaps` = "resample" fills missing and uneven slices between their neighbours.

    Raises:
        VolumeError: a tag that is absent or empty, several sizes or orientations, a slice missing or repeated.
    """
    _check_tags(planes, source)
    _check_alike(planes, source)
    axes = _axes(planes, source)
    spacing = np.asarray(planes[0].spacing)
    positions = np.asarray([plane.position for plane in planes], dtype=np.float64)  # (k, 3)
    heights = positions @ axes[:, 2]
    order = np.argsort(heights, kind="stable")
    heights, positions = heights[order], positions[order]
    distance, places, notes = _even_places(planes, heights, axes[:, 2], source, gaps)
    drift, tilt = drift_of(planes, positions, heights, axes, source)
    notes = (*notes, *_turned(planes[0], axes))
    return Grid(
        order=tuple(int(n) for n in order), places=places, slices=round(float(places[-1])) + 1, spacing=np.append(spacing, distance),
        origin=positions[0], direction=axes, drift=drift, notes=(*notes, *tilt),
    )  # fmt: skip


def lay_out_one(plane: Plane) -> Grid:
    """The grid of a single slice: what its file does not say is taken as the origin of an axial plane, and noted."""
    missing = [name for name, value in _tags(plane).items() if value is None]
    spacing = plane.spacing or (1.0, 1.0)
    axes = np.eye(3) if plane.orientation is None else _axes([plane], plane.path)
    notes = (f"{' and '.join(missing)} absent or empty: the slice's place or size is unknown.",) if missing else ()
    return Grid(
        order=(0,), places=np.zeros(1), slices=1, spacing=np.asarray([*spacing, plane.distance or 1.0]),
        origin=np.asarray(plane.position or (0.0, 0.0, 0.0)), direction=axes, drift=np.zeros((1, 2)), notes=notes,
    )  # fmt: skip


def _tags(plane: Plane) -> dict[str, object]:
    return {
        "ImagePositionPatient": plane.position,
        "ImageOrientationPatient": plane.orientation,
        "PixelSpacing": plane.spacing,
    }


def _check_tags(planes: Sequence[Plane], source: Path) -> None:
    for name in _tags(planes[0]):
        lacking = [plane for plane in planes if _tags(plane)[name] is None]
        if lacking:
            raise VolumeError(
                source,
                f"the tag {name} is absent or empty in {len(lacking)} of {len(planes)} slices, first in {lacking[0].path.name}",
                "Export the series again from the scanner or PACS with this tag: without it the slices have no place",
                code="tag-missing",
            )


def _check_alike(planes: Sequence[Plane], source: Path) -> None:
    first = np.asarray([*(planes[0].orientation or ())])
    turned = max(float(np.abs(np.asarray(plane.orientation) - first).max()) for plane in planes)
    if turned > max(2e-3, 10.0 ** -axis_decimals(planes)):
        raise VolumeError(
            source,
            "holds images of several orientations",
            "Remove the localiser images or split the series",
            code="slice-orientations-differ",
        )
    spacings = np.asarray([plane.spacing for plane in planes])
    if (spacings <= 0).any() or np.abs(spacings - spacings[0]).max() > 1e-3 * spacings[0].max():
        raise VolumeError(
            source,
            f"the tag PixelSpacing says {sorted({tuple(row) for row in spacings.tolist()})[:3]} mm, which must be above 0 and alike",
            "Correct the tag or split the series",
            code="pixel-spacing-invalid",
        )


def _axes(planes: Sequence[Plane], source: Path) -> np.ndarray:
    """(3, 3): the unit vectors of i, j and the normal, brought to right angles where the file rounded them."""
    stated = np.asarray(planes[0].orientation, dtype=np.float64).reshape(2, 3)
    lengths, cosine = np.linalg.norm(stated, axis=1), float(stated[0] @ stated[1])
    if np.abs(lengths - 1).max() > 0.05 or abs(cosine) > 0.05:
        raise VolumeError(
            source,
            f"the tag ImageOrientationPatient, {planes[0].orientation}, is no pair of unit vectors at a right angle",
            "Correct the tag, or export the series again",
            code="orientation-invalid",
        )
    u, _, v = np.linalg.svd(stated, full_matrices=False)  # the nearest pair at a right angle
    i, j = u @ v if not np.allclose([*lengths, cosine], [1, 1, 0], atol=1e-9) else stated
    return np.stack([i, j, np.cross(i, j)], axis=1)


def _turned(plane: Plane, axes: np.ndarray) -> tuple[str, ...]:
    """A note where the axes in the file were farther from a right angle than their digits explain."""
    wrong = float(np.abs(np.asarray(plane.orientation).reshape(2, 3) - axes[:, :2].T).max())
    if wrong <= max(1e-3, 10.0 ** -axis_decimals([plane])):
        return ()
    return (
        f"ImageOrientationPatient is no right angle: the axes were turned by up to {np.degrees(wrong):.2f} degrees to the nearest.",
    )


def _even_places(
    planes: Sequence[Plane], heights: np.ndarray, normal: np.ndarray, source: Path, gaps: str
) -> tuple[float, np.ndarray, tuple[str, ...]]:
    """Slice distance (mm), the grid's slice of each plane (k,), notes; `heights` (k,) are sorted."""
    steps = np.diff(heights)
    n = int(steps.argmin())
    if steps[n] < 1e-3:
        raise VolumeError(
            source,
            f"has two slices at {heights[n]:g} mm",
            "Remove the copies, or split repeated acquisitions",
            code="slice-repeated",
        )
    rounding = float(rounding_of(planes) @ np.abs(normal)) + 1e-6
    whole = np.arange(len(heights), dtype=np.float64)
    complete, beside = _fit(heights, whole)
    holed, spread, places = _best_with_holes(heights, steps, planes[0].distance)
    hole_free = beside <= max(TOLERANCE * complete + TOLERANCE, rounding)
    with_holes = places[-1] >= len(heights) and spread <= max(TOLERANCE * holed + TOLERANCE, rounding)
    few = places[-1] + 1 - len(heights) <= max(1.0, FEW_HOLES * len(heights))
    exact = spread <= TOLERANCE * holed + TOLERANCE and beside > TOLERANCE * complete + TOLERANCE
    stated = planes[0].distance
    if hole_free and with_holes and exact:  # rounding explains the positions, missing slices explain them better
        as_complete, as_holed = (stated > 0 and abs(stated - one) < 0.02 * one for one in (complete, holed))
        hole_free = as_complete if as_complete != as_holed else not few
    if hole_free:
        return _mean(complete, heights), whole, ()
    if gaps != "resample":
        raise _gap_refused(heights, steps, holed if with_holes else float(np.median(steps)), bool(with_holes), source)
    if with_holes:
        missing = sorted(set(range(int(places[-1]) + 1)) - {int(place) for place in places})
        listed = ", ".join(f"{heights[0] + holed * place:g}" for place in missing[:5])
        return holed, places, (f"{len(missing)} missing slices were interpolated, at {listed} mm.",)
    count = max(round((heights[-1] - heights[0]) / float(np.median(steps))), 1)
    distance = float((heights[-1] - heights[0]) / count)
    note = f"Unevenly spaced slices ({steps.min():g} to {steps.max():g} mm) were resampled to {distance:g} mm."
    return distance, (heights - heights[0]) / distance, (note,)


def _mean(distance: float, heights: np.ndarray) -> float:
    """The plain mean of the distances where the fit says the same: it is what other readers give."""
    mean = float(heights[-1] - heights[0]) / (len(heights) - 1)
    return mean if abs(mean - distance) < 1e-6 * distance else distance


def _fit(heights: np.ndarray, places: np.ndarray) -> tuple[float, float]:
    """The distance that brings `heights` nearest to `places`, and how far the farthest then lies beside it (mm)."""
    mean = float(heights[-1] - heights[0]) / float(places[-1])
    if float(np.ptp(heights - mean * places)) < 1e-9 * max(1.0, float(np.abs(heights).max())):
        return mean, 0.0
    from scipy.optimize import minimize_scalar  # takes half a second to import, and few series need it

    best = minimize_scalar(lambda s: float(np.ptp(heights - s * places)), bounds=(0.8 * mean, 1.25 * mean), method="bounded", options={"xatol": 1e-9 * mean})  # fmt: skip
    return float(best.x), float(best.fun) / 2


def _best_with_holes(heights: np.ndarray, steps: np.ndarray, stated: float) -> tuple[float, float, np.ndarray]:
    """As `_fit`, with places left free: the usual step, the smallest and the stated one are tried."""
    candidates = []
    for step in (float(np.median(steps)), float(steps.min()), stated):
        if step > 1e-3 and (heights[-1] - heights[0]) / step < 1e5:
            places = np.concatenate([[0.0], np.cumsum(np.maximum(np.rint(steps / step), 1))])
            candidates.append((*_fit(heights, places), places))
    return min(candidates, key=lambda one: (round(one[1] / one[0], 3), one[2][-1]))


def _gap_refused(heights: np.ndarray, steps: np.ndarray, usual: float, holes: bool, source: Path) -> VolumeError:
    """The refusal, with the places: where slices are missing, else where the distance is farthest from the usual."""
    odd = np.flatnonzero(steps > 1.5 * usual) if holes else np.abs(steps - usual).argsort()[-1:]
    places = [f"those at {heights[n]:g} and {heights[n + 1]:g} mm are {steps[n]:g} mm apart" for n in odd]
    return VolumeError(
        source,
        f"{'lacks slices' if holes else 'has slices at uneven distances'}: {listed(places, 4)}, the others {usual:g} mm",
        REMEDY,
        code="slice-spacing-irregular",
    )
