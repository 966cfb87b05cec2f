"""A tilted gantry: how far the slices lie beside each other, and the volume brought upright."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from medssl.core.errors import VolumeError
from medssl.images.dicom.planes import Plane, axis_decimals, rounding_of

STEEPEST = 0.85  # mm beside for each mm of height: no gantry tilts by 40 degrees


def drift_of(
    planes: Sequence[Plane], positions: np.ndarray, heights: np.ndarray, axes: np.ndarray, source: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(k, 2) mm that a tilted gantry moves each slice along i and j, with the note; zeros where it stood straight."""
    drift = (positions - positions[0]) @ axes[:, :2]
    height = heights - heights[0]
    slope = drift.T @ height / float(height @ height)  # mm beside for each mm of height, along i and j
    rounding = float((rounding_of(planes) @ np.abs(axes[:, :2])).max())
    turned = min(2 * 0.5 * 10.0 ** -axis_decimals(planes), 0.01)  # what rounded axes make of a straight stack
    pixel = float(min(planes[0].spacing or (1.0, 1.0)))
    unnoticed = max(rounding, 0.1 * pixel, turned * float(height[-1]))
    steep = float(np.hypot(*slope)) > STEEPEST
    if steep or float(np.abs(drift - height[:, None] * slope).max()) > max(2 * rounding, 0.5 * pixel):
        raise VolumeError(
            source,
            "holds slices that are moved beside each other, by no even tilt of the gantry",
            "Load it in Slicer and save it as NRRD, or export the series again",
            code="slice-positions-irregular",
        )
    if float(np.abs(slope).max()) * float(height[-1]) <= unnoticed:
        return np.zeros_like(drift), ()
    degrees = math.degrees(math.atan(float(np.hypot(*slope))))
    note = f"The gantry was tilted by {degrees:.1f} degrees: the slices were shifted in their plane (linear interpolation) onto a straight grid."
    return height[:, None] * slope, (note,)


def straighten(array: np.ndarray, pixels: np.ndarray, fill: float) -> np.ndarray:
    """Each slice of (i, j, k) moved by its (k, 2) `pixels` in the plane, which grows by `grown`, so that nothing is cut off."""
    low, high = grown(pixels)
    out = np.full((array.shape[0] + int(low[0] + high[0]), array.shape[1] + int(low[1] + high[1]), array.shape[2]), fill, array.dtype, order="F")  # fmt: skip
    for k in range(array.shape[2]):
        wide = np.full(out.shape[:2], fill, np.float32)
        wide[low[0] : low[0] + array.shape[0], low[1] : low[1] + array.shape[1]] = array[..., k]
        moved = ndimage.shift(wide, pixels[k], order=1, mode="constant", cval=fill)
        out[..., k] = np.rint(moved) if array.dtype.kind == "i" else moved
    return out


def grown(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole pixels (i, j) that straightening adds before and behind the plane."""
    low, high = np.ceil(np.maximum(-pixels.min(axis=0), 0)), np.ceil(np.maximum(pixels.max(axis=0), 0))
    return low.astype(np.int64), high.astype(np.int64)
