"""What the header of an image file announces. Nothing is refused here that `guards` can refuse."""

from __future__ import annotations

from pathlib import Path

from medssl.core.errors import VolumeError
from medssl.core.files import split_choice
from medssl.images.formats.file_names import NIFTI_SUFFIXES
from medssl.images.formats.guards import TRUNCATED, Header, check
from medssl.images.formats.intake.metaimage_header import inspect_metaimage
from medssl.images.formats.intake.nifti_header import inspect_nifti
from medssl.images.formats.intake.nrrd_header import inspect_nrrd


def read_image_header(path: Path) -> Header:
    """Shape and size of an NRRD, NIfTI or MetaImage file, checked, without reading voxels.

    Raises:
        VolumeError: see `inspect_image` and `guards.check`.
    """
    path = split_choice(path)[0]
    header = inspect_image(path)
    check(path, header)
    return header


def inspect_image(path: Path) -> Header:
    """What an NRRD, NIfTI or MetaImage file announces.

    Raises:
        VolumeError: an empty file, no such header, an impossible place, voxels outside its folder, or a gzip file that ends too early.
    """
    if path.stat().st_size == 0:
        raise VolumeError(path, "is empty", TRUNCATED, code="image-truncated")
    name = path.name.lower()
    if name.endswith((".nrrd", ".nhdr")):
        return inspect_nrrd(path)
    if name.endswith(NIFTI_SUFFIXES):
        return inspect_nifti(path)
    return inspect_metaimage(path)
