"""A volume on the grid of another one, by where both lie in the world."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter1d

from medssl.images.formats.guards import check_memory
from medssl.images.intensity.volume_statistics import compute
from medssl.images.volume import Volume, guess_modality

CT_BACKGROUND = -1000.0  # HU, air
SPLINE = 3  # order, and one voxel less than the shortest axis that it can be laid through
HALF_MAXIMUM = 8 * math.log(2)


def background_of(volume: Volume) -> float:
    """What fills the places that an image does not show, in stored units: air in CT, else the image's lowest value."""
    return CT_BACKGROUND if volume.modality == "CT" else float(volume.array.min())


def onto(channel: Volume, grid: Volume) -> Volume:
    """A 3D volume with the voxels of another one; what lies outside its field is `background_of` it.

    Along axes that become coarser it is smoothed by the difference of the two voxels' point spreads before (Cardoso et al.,
    "Scale factor point spread function matching", MICCAI 2015); then a cubic spline goes through its voxels. Whole numbers stay
    whole numbers, and no value leaves the range of the image's. `statistics` are those of the image as it was, so that
    intensities are normalised alike whatever part of it lies on the grid.

    Args:
        channel: in stored units.
        grid: of which only shape and place are read.

    Raises:
        VolumeError: the result would not fit into memory.
    """
    kind, modality = channel.array.dtype, channel.modality or guess_modality(channel.array)
    channel = replace(channel, modality=modality)
    check_memory(Path(channel.name or "volume"), grid.shape, math.prod(grid.shape) * 4)
    smooth = _smoothed(channel, grid)
    order = sitk.sitkBSpline if min(channel.shape) > SPLINE else sitk.sitkLinear
    moved = sitk.Resample(image_of(smooth, channel), reference(grid), sitk.Transform(), order, math.nan)
    found = sitk.GetArrayFromImage(moved).T
    np.clip(found, channel.array.min(), channel.array.max(), out=found)
    found[np.isnan(found)] = background_of(channel)
    whole = kind.kind in "iub"
    return Volume(
        (np.rint(found, out=found) if whole else found).astype(kind, copy=False), grid.spacing, grid.origin, grid.direction,
        modality, channel.name, channel.patient, notes=channel.notes, statistics=channel.statistics or compute(channel.array, modality),
    )  # fmt: skip


def labels_onto(labels: Volume, grid: Volume) -> np.ndarray:
    """A label map with the voxels of another volume: the nearest label, 0 outside."""
    source = image_of(labels.array.astype(np.int16, copy=False), labels)
    return sitk.GetArrayFromImage(
        sitk.Resample(source, reference(grid), sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)
    ).T


def _smoothed(channel: Volume, grid: Volume) -> np.ndarray:
    """float32, smoothed along the axes whose voxels are smaller than those of the grid in that direction."""
    array = channel.array.astype(np.float32)
    turn = np.abs(np.linalg.inv(channel.direction) @ grid.direction)  # (channel's axis, grid's axis)
    wanted = np.sqrt((turn**2 @ grid.spacing**2) / (turn**2).sum(axis=1))
    for axis, (had, wants) in enumerate(zip(channel.spacing, wanted)):
        if wants > had * 1.01:
            sigma = math.sqrt((wants**2 - had**2) / HALF_MAXIMUM) / had
            array = gaussian_filter1d(array, sigma, axis=axis, mode="nearest", output=array)
    return array


def image_of(array: np.ndarray, lies: Volume) -> sitk.Image:
    """An array (i, j, k) as an image where a volume lies."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    _place(image, lies)
    return image


def reference(grid: Volume) -> sitk.Image:
    """An image of one byte a voxel that tells the filter where to look."""
    image = sitk.Image([int(n) for n in grid.shape], sitk.sitkUInt8)
    _place(image, grid)
    return image


def _place(image: sitk.Image, lies: Volume) -> None:
    image.SetSpacing(lies.spacing.tolist())
    image.SetOrigin(lies.origin.tolist())
    image.SetDirection(lies.direction.ravel().tolist())
