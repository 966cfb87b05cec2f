"""Reading and writing images of any known format. SimpleITK and pydicom are loaded when a file needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.volume import Volume


def read_volume(
    path: str | Path, modality: str = "", files: Sequence[Path] = (), part: str = "", gaps: str = "refuse"
) -> Volume:
    """Read an image: NRRD, NIfTI, MetaImage, a folder with one DICOM series, a DICOM file, PNG or JPEG.

    `modality` overrides what the file says (only DICOM says anything). `files` are those of one DICOM series, where
    `path` holds more than that or not all of it; `part` names one of several stacks or phases in them (`find_series`);
    `gaps` = "resample" interpolates missing DICOM slices, which are refused otherwise.

    Raises:
        VolumeError: missing, unreadable, truncated, too large, not grey, not finite.
    """
    from medssl.images.formats import dicom, image_files

    path = Path(path)
    if not path.exists():
        raise VolumeError(
            path, "does not exist", "Check the path; it is read on the machine of the backend", code="file-not-found"
        )
    if files:
        volume = dicom.read_files([Path(file) for file in files], path, part, gaps)
    elif path.is_dir():
        volume = dicom.read_series(path, part, gaps)
    elif image_files.is_picture(path):
        volume = image_files.read_picture(path)
    elif image_files.is_image(path):
        volume = image_files.read_image(path)
    elif dicom.is_dicom(path):
        volume = dicom.read_file(path, part, gaps)
    else:
        known = ", ".join((*image_files.IMAGE_SUFFIXES, *image_files.PICTURE_SUFFIXES))
        raise VolumeError(
            path, "is in no format that MedSSL reads", f"Use DICOM or one of {known}", code="suffix-unknown"
        )
    return replace(_finite(volume, path), modality=modality or volume.modality)


def write_volume(volume: Volume, path: str | Path, compress: bool = True) -> None:
    """Write NRRD, NIfTI or MetaImage, as the suffix says; geometry is kept, modality and patient are not.

    Raises:
        VolumeError: an unknown suffix.
        ResourceError: the disk is full or the folder cannot be written.
    """
    from medssl.images.formats import image_files

    image_files.write_image(volume, Path(path), compress)


def _finite(volume: Volume, path: Path) -> Volume:
    if volume.array.size == 0:
        raise VolumeError(path, "holds no voxels", "Take another copy of the file", code="no-voxels")
    if volume.array.dtype.kind == "f":
        bad = int(volume.array.size - np.count_nonzero(np.isfinite(volume.array)))
        if bad:
            raise VolumeError(
                path,
                f"holds {bad} voxels that are not numbers (NaN or infinite)",
                "Replace them, for example by the background's value",
                code="image-nan",
            )
    return volume
