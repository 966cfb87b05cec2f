"""Axes that are not at right angles: brought to the nearest rotation, or the volume is resampled onto straight ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from medssl.core.errors import VolumeError
from medssl.images.volume import Volume

ROUNDING = 1e-5  # how far columns may be from orthonormal by rounding in the file
SILENT = 1e-2  # voxels at the far corner: no word is lost about it
MOST_GROWTH = 8.0  # times the voxels, on straight axes
SLIGHT = 0.25  # voxels at the far corner: nothing is resampled for it


def straightened(volume: Volume, background: Callable[[], float], labels: bool = False) -> Volume:
    """The volume on axes at right angles.

    Where no corner moves by more than a quarter of a voxel about the centre, the axes are replaced by the nearest rotation.
    Else the voxels are resampled, linearly (labels: nearest neighbour), onto the smallest straight grid that holds them all:
    its rows keep their direction and its slices their plane, so that a tilted gantry's slices are only shifted.

    Args:
        volume: any; comes back as it is where its axes are straight.
        background: the value of what the volume does not cover, asked for where it is needed.
        labels: whether values are numbers of classes.

    Raises:
        VolumeError: axes that lie nearly in one plane.
    """
    skew = volume.direction
    if np.abs(skew.T @ skew - np.eye(3)).max() <= ROUNDING or volume.array.ndim < 3:
        return volume
    rotation = nearest_rotation(skew)
    corners = np.array(list(itertools.product(*[(-(n - 1) / 2, (n - 1) / 2) for n in volume.shape])))
    moved = np.linalg.norm(corners * volume.spacing @ (skew - rotation).T, axis=1).max() / volume.spacing.min()
    if moved > SLIGHT:
        return _resampled(volume, corners, background(), labels)
    centre = (np.array(volume.shape) - 1) / 2 * volume.spacing
    origin = volume.origin + (skew - rotation) @ centre
    note = (
        f"The axes are {_angle(skew):.2g} degrees off a right angle: the nearest rotation was taken, which moves no voxel by more"
        f" than {moved:.2g} of a voxel"
    )
    notes = (*volume.notes, note) if moved > SILENT else volume.notes
    return replace(volume, direction=rotation, origin=origin, notes=notes)


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The orthogonal matrix nearest to (3, 3), of the same handedness (polar decomposition)."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def _resampled(volume: Volume, corners: np.ndarray, background: float, labels: bool) -> Volume:
    skew = volume.direction * volume.spacing
    rotation, upper = np.linalg.qr(skew)
    signs = np.sign(np.diag(upper))
    rotation, upper = rotation * signs, upper * signs[:, None]
    spacing = np.diag(upper)
    with np.errstate(divide="ignore", invalid="ignore"):
        spans = np.nan_to_num(np.ptp(upper @ corners.T / spacing[:, None], axis=1), nan=np.inf, posinf=1e9)
    size = [int(np.ceil(min(span, 1e9) - 1e-6)) + 1 for span in spans]
    _check_grid(volume, size)
    centre = volume.origin + skew @ ((np.array(volume.shape) - 1) / 2)
    origin = centre - rotation @ (spacing * (np.array(size) - 1) / 2)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array.T))
    image.SetSpacing(volume.spacing.tolist())
    image.SetOrigin(volume.origin.tolist())
    image.SetDirection(volume.direction.ravel().tolist())
    how = sitk.sitkNearestNeighbor if labels else sitk.sitkLinear
    kind = image.GetPixelID()
    found = sitk.Resample(
        image,
        size,
        sitk.Transform(),
        how,
        origin.tolist(),
        spacing.tolist(),
        rotation.ravel().tolist(),
        background,
        kind,
    )
    note = (
        f"The axes are {_angle(volume.direction):.2g} degrees off a right angle: the volume was resampled onto straight axes,"
        f" {_sizes(volume.shape)} voxels became {_sizes(size)}"
    )
    array = sitk.GetArrayFromImage(found).T
    return replace(volume, array=array, spacing=spacing, origin=origin, direction=rotation, notes=(*volume.notes, note))


def _check_grid(volume: Volume, size: list[int]) -> None:
    """Refuse axes that lie nearly in one plane: a straight grid around them is mostly empty.

    Raises:
        VolumeError: many times the voxels that there are.
    """
    if np.prod(size, dtype=np.float64) > MOST_GROWTH * volume.array.size:
        raise VolumeError(
            f"{volume.name or 'volume'} with axes {_angle(volume.direction):.3g} degrees off a right angle",
            f"cannot be put on straight axes: {_sizes(volume.shape)} voxels would become {_sizes(size)}",
            "Correct the orientation in its header",
            code="axes-skewed",
        )


def _angle(direction: np.ndarray) -> float:
    """The largest deviation of two axes from a right angle, in degrees."""
    return float(np.degrees(np.arcsin(np.clip(np.abs(np.triu(direction.T @ direction, 1)).max(), 0, 1))))


def _sizes(shape: tuple[int, ...] | list[int]) -> str:
    return " x ".join(map(str, shape))
