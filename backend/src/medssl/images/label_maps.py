"""Label maps: whole numbers that lie exactly on an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.formats.reading import read_labels
from medssl.images.formats.segments.layers import SEGMENTATION
from medssl.images.geometry import Turn, turned
from medssl.images.planes import is_flat
from medssl.images.segment_classes import LARGEST
from medssl.images.volume import Volume

TOLERANCE = 1e-2  # voxels
PLACED = 0.1  # voxels: DICOM and Slicer write positions and spacings with few digits
MODALITY = "LABEL"
MOST_VALUES = 32  # of an image that is taken for a label map
LOOKED_AT = 2**18  # voxels that show it, about
RESAMPLE = "Resample it to the image (nearest neighbour), or export it anew with the image as reference"


def read_label_map(path: Path, like: Volume) -> Volume:
    """Read a label map, uint8 or int16, on the grid of `like`.

    A 3D one may have its axes in any order and direction, but must lie on the image: size, spacing, origin and direction
    agree within a hundredth of a voxel anywhere in it. One of a single slice is turned where that makes it lie on the image. Segmentations (.seg.nrrd, DICOM SEG) may cover a part of the image's
    grid, structure sets are filled on it. Of 2D ones (PNG with grey values or a palette, or any other format) only the size
    tells. A map without any label is one of an image that shows nothing.

    Raises:
        VolumeError: unreadable, JPEG, of other geometry, not whole numbers, negative or too large.
    """
    if path.name.lower().endswith((".jpg", ".jpeg")):
        raise VolumeError(
            path, "is JPEG, which blurs the borders of labels", "Save label maps as PNG or NRRD", code="label-map-jpeg"
        )
    volume = read_labels(path, like)
    if is_flat(like.shape):
        array = _flat(volume, like)
        _check_size(path, array.shape, like.shape[:2])
    elif volume.modality == SEGMENTATION:
        array = placed(volume, like, str(path))
    else:
        volume = turned_like(volume, like)
        check_geometry(volume, like, str(path))
        array = volume.array
    values = _whole(path, array)
    return Volume(
        values, like.spacing, like.origin, like.direction, MODALITY, volume.name, like.patient, notes=volume.notes
    )


def _flat(labels: Volume, image: Volume) -> np.ndarray:
    """A flat label map (column, row); with its axes as the image's where it says that they run otherwise over the same place."""
    if labels.array.ndim == 3 == image.array.ndim:
        alike = turned_like(labels, image)
        if alike.shape == image.shape:
            apart = _differences(alike, image)
            labels = (
                alike if max(np.abs(apart[what][2]).max() for what in ("origin", "direction")) <= TOLERANCE else labels
            )
    return labels.array[..., 0] if is_flat(labels.shape) and labels.array.ndim == 3 else labels.array


def turned_like(labels: Volume, image: Volume) -> Volume:
    """A 3D label map with its axes in the image's order and direction, where some permutation and flips do that."""
    if labels.array.ndim < 3:
        return labels
    steps = np.rint(image.direction.T @ labels.direction)  # (image's axis, label map's axis)
    if (np.abs(steps).sum(axis=0) != 1).any() or (np.abs(steps).sum(axis=1) != 1).any():
        return labels
    order = [int(np.abs(row).argmax()) for row in steps]
    flipped = [bool(row.sum() < 0) for row in steps]
    return turned(labels, Turn((order[0], order[1], order[2]), (flipped[0], flipped[1], flipped[2])))


def placed(labels: Volume, image: Volume, name: str) -> np.ndarray:
    """A label map that covers a part of an image's grid, or more than it, on that grid; 0 elsewhere.

    Raises:
        VolumeError: its voxels are not those of the image, or labels lie outside the image.
    """
    labels = turned_like(labels, image)
    last = np.array(labels.shape) - 1
    step = np.linalg.solve(image.direction * image.spacing, labels.direction * labels.spacing)
    drift = np.abs(step - np.eye(3)) * last  # along an axis of one voxel nothing drifts
    start = _voxels(image, labels.origin - image.origin)
    first = np.rint(start).astype(int)
    if drift.max() > PLACED or np.abs(start - first).max() > PLACED:
        raise VolumeError(
            f"{name} with the spacing {_numbers(labels.spacing)} and origin {_numbers(labels.origin)}",
            f"does not lie on its image's voxels, whose spacing is {_numbers(image.spacing)} and origin {_numbers(image.origin)}",
            RESAMPLE,
            code="grid-mismatch",
        )
    into = [slice(max(f, 0), max(f + n, 0)) for f, n in zip(first, labels.shape)]
    out = [slice(max(-f, 0), max(size - f, 0)) for f, size in zip(first, image.shape)]
    array = np.zeros(image.shape, labels.array.dtype)
    part = labels.array[tuple(out)]
    array[tuple(into)] = part
    if np.count_nonzero(part) < (count := np.count_nonzero(labels.array)):
        raise VolumeError(
            f"{name} with {count} labelled voxels",
            f"has {count - np.count_nonzero(part)} of them outside its image",
            "Give the segmentation of this image",
            code="labels-outside",
        )
    return array


def check_geometry(labels: Volume, image: Volume, name: str) -> None:
    """Refuse a 3D label map that does not lie on its image.

    Raises:
        VolumeError: size, spacing, origin or direction differ by more than a hundredth of a voxel at some corner.
    """
    _check_size(name, labels.shape, image.shape)
    for what, (found, wanted, difference) in _differences(labels, image).items():
        if np.abs(difference).max() > TOLERANCE:
            raise VolumeError(
                f"{name} with the {what} {_numbers(found)}",
                f"does not match its image, whose {what} is {_numbers(wanted)}",
                RESAMPLE,
                code="grid-mismatch",
            )


def _differences(labels: Volume, image: Volume) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of two volumes of one size: what -> (the label map's, the image's, how far apart they are in voxels at some corner)."""
    last = np.array(image.shape) - 1
    return {
        "spacing": (labels.spacing, image.spacing, np.abs(labels.spacing / image.spacing - 1) * np.maximum(last, 1)),
        "origin": (labels.origin, image.origin, _voxels(image, labels.origin - image.origin)),
        "direction": (
            labels.direction, image.direction, _voxels(image, (labels.direction - image.direction) * image.spacing * last)
        ),
    }  # fmt: skip


def _voxels(image: Volume, displacement: np.ndarray) -> np.ndarray:
    """Millimetres in the world (3,) or (3, n) as voxels of the image."""
    return np.linalg.solve(image.direction * image.spacing, displacement)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.6g}" for value in values.ravel())


def _check_size(path: Path | str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        sizes = [" x ".join(map(str, shape)) for shape in (found, wanted)]
        raise VolumeError(
            f"{path} of size {sizes[0]}",
            f"does not match its image of size {sizes[1]}",
            RESAMPLE,
            code="grid-mismatch",
        )


def _whole(path: Path, array: np.ndarray) -> np.ndarray:
    low, high = array.min(initial=0), array.max(initial=0)
    if array.dtype.kind == "f" and not (array == np.rint(array)).all():
        raise VolumeError(
            path,
            "holds fractions, so it is no label map",
            "Give whole numbers, one for each class",
            code="not-a-label-map",
        )
    if low < 0 or high > LARGEST:
        raise VolumeError(
            f"{path} with values {low:g} to {high:g}",
            f"must hold 0 to {LARGEST}",
            "Give a label map, not an image",
            code="label-value-out-of-range",
        )
    return array.astype(np.uint8 if high <= 255 else np.int16)


def looks_like_label_map(array: np.ndarray) -> bool:
    """Whether an image is one in all likelihood: a few whole numbers from 0 on, 0 in half of it or more."""
    some = array.ravel()[:: array.size // LOOKED_AT | 1]  # an odd step, so that no axis is left out
    if not np.issubdtype(some.dtype, np.number) or np.iscomplexobj(some):
        return False
    values = np.unique(some)
    if not 2 <= len(values) <= MOST_VALUES or values[0] != 0 or (values != np.rint(values)).any():
        return False
    return bool((some == 0).mean() >= 0.5)
