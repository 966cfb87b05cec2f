"""Label maps: whole numbers that lie exactly on an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from medssl.core.errors import VolumeError
from medssl.images.formats.image_files import is_picture
from medssl.images.formats.reading import read_volume
from medssl.images.planes import is_flat
from medssl.images.segment_classes import LARGEST
from medssl.images.volume import Volume

TOLERANCE = 1e-2  # voxels
MODALITY = "LABEL"
RESAMPLE = "Resample it to the image (nearest neighbour), or export it anew with the image as reference"


def read_label_map(path: Path, like: Volume) -> Volume:
    """Read a label map, uint8 or int16, with the array's axes of `like`.

    A 3D one must have the size, spacing, origin and direction of the image, within a hundredth of a voxel anywhere in it. Of
    2D ones (PNG with grey values or a palette, or any other format) only the size tells. A map without any label is one of an
    image that shows nothing.

    Raises:
        VolumeError: unreadable, JPEG, of other geometry, not whole numbers, negative or too large.
    """
    if path.name.lower().endswith((".jpg", ".jpeg")):
        raise VolumeError(
            path, "is JPEG, which blurs the borders of labels", "Save label maps as PNG or NRRD", code="label-map-jpeg"
        )
    volume = _read(path)
    array = volume.array[..., 0] if is_flat(volume.shape) and volume.array.ndim == 3 else volume.array
    if is_flat(like.shape):
        _check_size(path, array.shape, like.shape[:2])
    else:
        check_geometry(volume, like, str(path))
    return Volume(_whole(path, array), like.spacing, like.origin, like.direction, MODALITY, volume.name, like.patient)


def check_geometry(labels: Volume, image: Volume, name: str) -> None:
    """Refuse a 3D label map that does not lie on its image.

    Raises:
        VolumeError: size, spacing, origin or direction differ by more than a hundredth of a voxel at some corner.
    """
    _check_size(name, labels.shape, image.shape)
    last = np.array(image.shape) - 1
    pairs = {
        "spacing": (labels.spacing, image.spacing, np.abs(labels.spacing / image.spacing - 1) * np.maximum(last, 1)),
        "origin": (labels.origin, image.origin, _voxels(image, labels.origin - image.origin)),
        "direction": (
            labels.direction, image.direction, _voxels(image, (labels.direction - image.direction) * image.spacing * last)
        ),
    }  # fmt: skip
    for what, (found, wanted, difference) in pairs.items():
        if np.abs(difference).max() > TOLERANCE:
            raise VolumeError(
                f"{name} with the {what} {_numbers(found)}",
                f"does not match its image, whose {what} is {_numbers(wanted)}",
                RESAMPLE,
                code="grid-mismatch",
            )


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


def _read(path: Path) -> Volume:
    """As any image, but a palette's numbers are kept: its colours only show them."""
    if is_picture(path) and path.exists():
        try:
            with Image.open(path) as picture:
                if picture.mode == "P":
                    return Volume(np.asarray(picture).T, name=path.stem)
        except (OSError, SyntaxError, ValueError) as error:
            raise VolumeError(
                path, f"cannot be read ({error})", "Take another copy of the file", code="image-unreadable"
            ) from error
    return read_volume(path)


def _whole(path: Path, array: np.ndarray) -> np.ndarray:
    low, high = array.min(), array.max()
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
