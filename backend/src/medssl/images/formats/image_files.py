"""NRRD and MetaImage read, all formats of volumes written, through SimpleITK."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from medssl.core.errors import ResourceError, VolumeError
from medssl.images.formats.choice import choose
from medssl.images.formats.file_names import WRITTEN_SUFFIXES, is_image, is_picture, stem
from medssl.images.formats.intake.nrrd_header import read_fields
from medssl.images.volume import Volume

__all__ = ["is_image", "is_picture", "read_image", "stem", "write_image"]

SPACES = ("ras", "las", "lps", "right-anterior-superior", "left-anterior-superior", "left-posterior-superior")
sitk.ProcessObject.SetGlobalWarningDisplay(False)  # what ITK finds odd is judged, and said, here


def read_image(path: Path, number: int | None = None) -> Volume:
    """Read an NRRD or MetaImage file as it is stored; integers stay integers, missing voxels stay NaN.

    Args:
        path: the file.
        number: which of several volumes, counted from 1; None: the only one.

    Raises:
        VolumeError: damaged, or several volumes of which none was chosen.
    """
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
    chosen = _chosen(image, path, number)
    return _from_itk(chosen, _doubts(path) if chosen.GetDimension() == 3 else ())


def _chosen(image: sitk.Image, path: Path, number: int | None) -> sitk.Image:
    """One volume: further axes and several values of a voxel are volumes alike."""
    size, parts = image.GetSize(), image.GetNumberOfComponentsPerPixel()
    further = size[3:]
    chosen = choose(path, size[:3], parts * int(np.prod(further)), number, size if further else size[:3])
    if parts > 1:
        image, chosen = sitk.VectorIndexSelectionCast(image, chosen % parts), chosen // parts
    for axis in np.unravel_index(chosen, further, order="F")[::-1] if further else ():
        image = image[..., int(axis)]
    return image


def _doubts(path: Path) -> tuple[str, ...]:
    """What an NRRD header leaves open."""
    if not path.name.lower().endswith((".nrrd", ".nhdr")):
        return ()
    fields, _ = read_fields(path)
    if "space directions" not in fields:
        return ("The header does not say where the image lies: its axes are taken for left, posterior, superior",)
    if str(fields.get("space", "")).lower() not in SPACES:
        return ("The header does not name the space of its axes: it is taken for left, posterior, superior",)
    return ()


def _from_itk(image: sitk.Image, notes: tuple[str, ...]) -> Volume:
    array = sitk.GetArrayFromImage(image).T
    axes = image.GetDimension()
    spacing, origin, direction = np.ones(3), np.zeros(3), np.eye(3)
    spacing[:axes], origin[:axes] = image.GetSpacing(), image.GetOrigin()
    direction[:axes, :axes] = np.reshape(image.GetDirection(), (axes, axes))
    return Volume(array, spacing, origin, direction, notes=notes)


def write_image(volume: Volume, path: Path, compress: bool = True) -> None:
    """Write a volume; a file of the same name is replaced only once the new one is complete.

    Raises:
        VolumeError: an unknown suffix.
        ResourceError: the disk is full or the folder cannot be written.
    """
    if not path.name.lower().endswith(WRITTEN_SUFFIXES):
        raise VolumeError(
            path,
            "has no suffix that MedSSL writes",
            f"Use one of {', '.join(WRITTEN_SUFFIXES)}",
            code="suffix-unknown",
        )
    _write(_to_itk(volume), path, compress)


def write_displacements(vectors: np.ndarray, lattice: Volume, path: Path) -> None:
    """Write vectors (columns, rows, 3) in mm (LPS) of a 2D lattice as one slice of a displacement field.

    Slicer loads such an NRRD file as a transform node, ITK as a displacement field.

    Args:
        vectors: from each place to where the transform takes it.
        lattice: an image whose pixels are the lattice's places.

    Raises:
        ResourceError: the disk is full or the folder cannot be written.
    """
    image = sitk.GetImageFromArray(np.swapaxes(vectors, 0, 1)[None].astype(np.float64), isVector=True)
    image.SetSpacing(lattice.spacing.tolist())
    image.SetOrigin(lattice.origin.tolist())
    image.SetDirection(lattice.direction.ravel().tolist())
    _write(image, path, compress=True)


def _write(image: sitk.Image, path: Path, compress: bool) -> None:
    partial = path.with_name(f"partial-{os.getpid()}-{path.name}")
    if path.suffix.lower() in (".mhd", ".nhdr"):  # two files, of which one names the other
        partial = path
    try:
        sitk.WriteImage(image, str(partial), useCompression=compress)
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
