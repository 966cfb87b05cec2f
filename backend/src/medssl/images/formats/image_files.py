"""NRRD, NIfTI and MetaImage through SimpleITK; PNG and JPEG through Pillow."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from medssl.core.errors import ResourceError, VolumeError
from medssl.images.formats.header import read_image_header
from medssl.images.volume import Volume, compact

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
GREY_TOLERANCE = 2  # levels between the channels of a grey image: JPEG rounds them apart
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def is_image(path: Path) -> bool:
    """Does the name end like a volume that SimpleITK reads?"""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def is_picture(path: Path) -> bool:
    """Does the name end like a PNG or JPEG?"""
    return path.name.lower().endswith(PICTURE_SUFFIXES)


def stem(path: Path) -> str:
    """The name without its suffix, of which `.nii.gz` is one."""
    suffix = next((s for s in (*IMAGE_SUFFIXES, *PICTURE_SUFFIXES, ".dcm") if path.name.lower().endswith(s)), "")
    suffix = ".nii.gz" if path.name.lower().endswith(".nii.gz") else suffix
    return path.name[: len(path.name) - len(suffix)]


def read_image(path: Path) -> Volume:
    """Read an NRRD, NIfTI or MetaImage file; integers stay integers.

    Raises:
        VolumeError: see `read_image_header`; more than three axes, or several values per voxel.
    """
    read_image_header(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise VolumeError(
            path,
            f"cannot be read ({reason})",
            "Take another copy of the file, or save it anew with Slicer",
            code="image-unreadable",
        ) from error
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = image[..., 0]
    if image.GetDimension() > 3:
        raise VolumeError(
            path,
            f"has {image.GetDimension()} axes, sized {image.GetSize()}",
            "Save one time point as a file of its own",
            code="axes-unsupported",
        )
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise VolumeError(
            path,
            f"has {image.GetNumberOfComponentsPerPixel()} values per voxel",
            "Save one channel or time point as a grey image",
            code="several-components",
        )
    return _from_itk(image, stem(path))


def _from_itk(image: sitk.Image, name: str) -> Volume:
    array = sitk.GetArrayFromImage(image).T
    axes = image.GetDimension()
    spacing, origin, direction = np.ones(3), np.zeros(3), np.eye(3)
    spacing[:axes], origin[:axes] = image.GetSpacing(), image.GetOrigin()
    direction[:axes, :axes] = np.reshape(image.GetDirection(), (axes, axes))
    return Volume(compact(array) if array.dtype.kind == "f" else array, spacing, origin, direction, name=name)


def write_image(volume: Volume, path: Path, compress: bool = True) -> None:
    """Write a volume; a file of the same name is replaced only once the new one is complete.

    Raises:
        VolumeError: an unknown suffix.
        ResourceError: the disk is full or the folder cannot be written.
    """
    if not is_image(path):
        raise VolumeError(
            path,
            "has no suffix that MedSSL writes",
            f"Use one of {', '.join(IMAGE_SUFFIXES)}",
            code="suffix-unknown",
        )
    partial = path.with_name(f"partial-{os.getpid()}-{path.name}")
    if path.suffix.lower() in (".mhd", ".nhdr"):  # two files, of which one names the other
        partial = path
    try:
        sitk.WriteImage(_to_itk(volume), str(partial), useCompression=compress)
        os.replace(partial, path)
    except (RuntimeError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise ResourceError(
            path, "cannot be written", "Check that the folder exists and the disk has room", code="file-unwritable"
        ) from error


def _to_itk(volume: Volume) -> sitk.Image:
    array = volume.array
    kind = {"b": np.uint8, "f2": np.float32}.get(array.dtype.str[1:] if array.dtype.kind == "f" else array.dtype.kind)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T if kind is None else array.T.astype(kind)))
    axes = array.ndim
    image.SetSpacing(volume.spacing[:axes].tolist())
    image.SetOrigin(volume.origin[:axes].tolist())
    image.SetDirection(volume.direction[:axes, :axes].ravel().tolist())
    return image


def read_picture(path: Path) -> Volume:
    """Read a PNG or JPEG as (column, row); a grey image in colour channels is grey, transparency is dropped.

    Raises:
        VolumeError: damaged, too large, or a photograph.
    """
    try:
        with Image.open(path) as file:
            picture: Image.Image = file
            if picture.mode in ("P", "RGBA", "CMYK", "YCbCr", "LA", "PA", "1"):
                picture = picture.convert("L" if picture.mode in ("LA", "1") else "RGB")
            array = np.asarray(picture).copy()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VolumeError(
            path, f"cannot be read ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error
    if array.ndim == 3:
        colours = array[..., :3]
        if np.ptp(colours, axis=-1).max() > GREY_TOLERANCE:
            raise VolumeError(
                path, "is a colour picture", "Give a grey image: a radiograph has no colours", code="colour-image"
            )
        array = np.median(colours, axis=-1).astype(array.dtype)
    return Volume(array.T, name=stem(path))
