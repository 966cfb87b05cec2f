"""The one road into the house: inspect the header, guard, read, repair. Readers of each format are loaded when a file needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from medssl.core.errors import VolumeError
from medssl.images.formats import guards
from medssl.images.formats.file_names import IMAGE_SUFFIXES, NIFTI_SUFFIXES, PICTURE_SUFFIXES, split_choice, stem
from medssl.images.volume import Volume


@dataclass(frozen=True)
class Format:
    """A kind of files.

    Attributes:
        inspect: the file's header, without its voxels.
        read: voxels as stored and their place; gets the file, which of its volumes, and whether values are class numbers.
    """

    inspect: Callable[[Path], guards.Header]
    read: Callable[[Path, int | None, bool], Volume]


def read_volume(path: str | Path, modality: str = "") -> Volume:
    """Read an image: NRRD, NIfTI, MetaImage, a folder with one DICOM series, a DICOM file, PNG or JPEG.

    `scan.nii.gz#3` is the third volume of a file that holds several. What was changed on the way stands in `notes`.

    Args:
        path: the file or folder.
        modality: overrides what the file says (only DICOM says anything).

    Raises:
        VolumeError: missing, unreadable, truncated, too large, not grey, several volumes, missing voxels.
    """
    return _read(path, modality, labels=False)


def read_labels(path: str | Path) -> Volume:
    """Read a label map as stored: as `read_volume`, but values are class numbers, which nothing mixes or shows in colours.

    Raises:
        VolumeError: see `read_volume`.
    """
    return _read(path, "", labels=True)


def _read(path: str | Path, modality: str, labels: bool) -> Volume:
    from medssl.images.formats.repair import repaired

    file, number = split_choice(path)
    if not file.exists():
        raise VolumeError(
            path, "does not exist", "Check the path; it is read on the machine of the backend", code="file-not-found"
        )
    kind = format_of(file)
    guards.check(file, kind.inspect(file))
    volume = kind.read(file, number, labels)
    volume = replace(volume, name=volume.name or stem(Path(path)))
    volume = repaired(volume, Path(path), modality, labels)
    return replace(volume, modality=modality or volume.modality)


def format_of(path: Path) -> Format:
    """How a file or folder that exists is read.

    Raises:
        VolumeError: in no way.
    """
    from medssl.images.formats import dicom, header, image_files, nifti, pictures

    name = path.name.lower()
    if path.is_dir():
        return Format(_inspect_dicom, lambda folder, _number, _labels: dicom.read_series(folder))
    if name.endswith(PICTURE_SUFFIXES):
        return Format(pictures.inspect_picture, lambda file, _number, labels: pictures.read_picture(file, labels))
    if name.endswith(NIFTI_SUFFIXES):
        return Format(header.inspect_image, lambda file, number, _labels: nifti.read_nifti(file, number))
    if name.endswith(IMAGE_SUFFIXES):
        return Format(header.inspect_image, lambda file, number, _labels: image_files.read_image(file, number))
    if dicom.is_dicom(path):
        return Format(_inspect_dicom, lambda file, _number, _labels: dicom.read_file(file))
    known = ", ".join((*IMAGE_SUFFIXES, *PICTURE_SUFFIXES))
    raise VolumeError(path, "is in no format that MedSSL reads", f"Use DICOM or one of {known}", code="suffix-unknown")


def _inspect_dicom(path: Path) -> guards.Header:
    """Bytes on the disk: what they unpack to, each slice tells when its series is put together."""
    files = path.iterdir() if path.is_dir() else [path]
    return guards.Header((), sum(file.stat().st_size for file in files if file.is_file()))


def write_volume(volume: Volume, path: str | Path, compress: bool = True) -> None:
    """Write NRRD, NIfTI or MetaImage, as the suffix says; geometry is kept, modality and patient are not.

    Raises:
        VolumeError: an unknown suffix.
        ResourceError: the disk is full or the folder cannot be written.
    """
    from medssl.images.formats import image_files

    image_files.write_image(volume, Path(path), compress)
