"""RTSTRUCT: planar contours filled on an image's grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from matplotlib.path import Path as Polygon
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from medssl.core.errors import VolumeError
from medssl.images.formats.segments.dicom_seg import ERRORS
from medssl.images.formats.segments.layers import SEGMENTATION, as_values, merge, renumbered
from medssl.images.segment_classes import Segment
from medssl.images.volume import Volume

FLAT = 0.1  # voxels that a contour may leave its plane by
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


@dataclass(frozen=True)
class Contour:
    """A closed polygon in an image's grid: the axis across its plane, its height along it, points (n, 2) of the other two axes."""

    axis: int
    height: float
    points: np.ndarray


def segments_of(image: Dataset) -> list[Segment]:
    """Number and name of each structure, in the file's order."""
    rois = list(image.get("StructureSetROISequence") or ())
    values = as_values([int(roi.ROINumber) for roi in rois])
    return [Segment(v, str(roi.get("ROIName", "")).strip() or f"Segment_{v}") for v, roi in zip(values, rois)]


def read_structures(path: Path, like: Volume) -> Volume:
    """Fill the contours of a structure set on the grid of its image; a voxel belongs to a structure where its centre does.

    Contours of one structure in one plane are combined by exclusive or, so that holes stay open. Where contours lie further
    apart than slices, a slice takes the nearest.

    Raises:
        VolumeError: damaged, contours across the slices, or all of them outside the image.
    """
    try:
        image = pydicom.dcmread(path)
        rois = list(image.get("StructureSetROISequence") or ())
        numbers = [int(roi.ROINumber) for roi in rois]
        segments = segments_of(image)
        drawn = {int(item.ReferencedROINumber): item for item in image.get("ROIContourSequence") or ()}
        contours = [list(_contours(drawn.get(number), like, path)) for number in numbers]
    except VolumeError:
        raise
    except (InvalidDicomError, *ERRORS) as error:
        raise VolumeError(
            path, f"cannot be read as contours ({error})", "Load it in Slicer and save it as .seg.nrrd",
            code="image-unreadable",
        ) from error  # fmt: skip
    array, notes = merge(like.shape, segments, lambda n: _filled(contours[n], like.shape))
    if any(contours) and not array.any():
        raise VolumeError(
            path, "has all its contours outside the image", "Give the structure set of this image", code="grid-mismatch"
        )
    apart = max((_gap(_heights(found)) for found in contours), default=1.0)
    if apart > 1.5:
        notes = [*notes, f"Contours lie up to {apart:.2g} slices apart: a slice between them takes the nearest contour"]
    return Volume(
        array, like.spacing, like.origin, like.direction, SEGMENTATION,
        patient=str(image.get("PatientID", "")), notes=(*renumbered(segments, numbers), *notes),
    )  # fmt: skip


def _contours(item: Dataset | None, like: Volume, path: Path) -> Iterator[Contour]:
    """The closed contours of a structure; points and open lines enclose nothing."""
    to_grid = np.linalg.inv(like.direction * like.spacing)
    for contour in (item.get("ContourSequence") if item else None) or ():
        if str(contour.get("ContourGeometricType", CLOSED[0])) not in CLOSED:
            continue
        points = (np.reshape(np.asarray(contour.ContourData, np.float64), (-1, 3)) - like.origin) @ to_grid.T
        if len(points) < 3:
            continue
        axis = int(np.ptp(points, axis=0).argmin())
        if np.ptp(points[:, axis]) > FLAT:
            raise VolumeError(
                path,
                "has contours across the image's slices",
                "Load image and structures in Slicer, and export the segmentation with the image as reference",
                code="contours-oblique",
            )
        yield Contour(axis, float(points[:, axis].mean()), np.delete(points, axis, axis=1))


def _filled(contours: list[Contour], shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for axis in sorted({contour.axis for contour in contours}):
        here = [contour for contour in contours if contour.axis == axis]
        heights = _heights(here)
        reach = max(_gap(heights), 1.0) / 2 + 1e-3
        slices = np.moveaxis(mask, axis, 0)
        filled: dict[float, np.ndarray] = {}
        for n in range(len(slices)):
            nearest = float(heights[np.abs(heights - n).argmin()])
            if abs(nearest - n) <= reach:
                if nearest not in filled:
                    filled[nearest] = _plane([c for c in here if abs(c.height - nearest) < FLAT], slices.shape[1:])
                slices[n] |= filled[nearest]
    return mask


def _heights(contours: list[Contour]) -> np.ndarray:
    """The different heights of planes, ascending."""
    found = np.sort([contour.height for contour in contours])
    return found[np.diff(found, prepend=-np.inf) > FLAT]


def _gap(heights: np.ndarray) -> float:
    return float(np.median(np.diff(heights))) if len(heights) > 1 else 1.0


def _plane(contours: list[Contour], shape: tuple[int, ...]) -> np.ndarray:
    plane = np.zeros(shape, bool)
    for contour in contours:
        low = np.clip(np.floor(contour.points.min(axis=0)).astype(int), 0, shape)
        high = np.clip(np.ceil(contour.points.max(axis=0)).astype(int) + 1, 0, shape)
        grid = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high)], indexing="ij"), axis=-1)
        if grid.size:
            inside = Polygon(contour.points).contains_points(grid.reshape(-1, 2)).reshape(grid.shape[:2])
            plane[low[0] : high[0], low[1] : high[1]] ^= inside
    return plane
