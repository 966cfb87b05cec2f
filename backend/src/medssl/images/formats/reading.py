"""The one road into the house: inspect the header, guard, read, repair. Readers of each format are loaded when a file needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medssl.core.errors import VolumeError
from medssl.core.files import split_choice
from medssl.images.formats import guards
from medssl.images.formats.file_names import IMAGE_SUFFIXES, NIFTI_SUFFIXES, PICTURE_SUFFIXES, stem
from medssl.images.formats.intake.place import check_place
from medssl.images.volume import Volume


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a file.

    Attributes:
        number: which of several volumes, from 1; None: the only one.
        labels: whether values are numbers of classes.
        like: the image that labels belong to, where contours have to be filled.
        files: of one DICOM series, where the path holds more than that or not all of it.
        part: one of several stacks or phases in a series, see `find_series`.
        gaps: "refuse" or "resample" missing DICOM slices.
    """

    number: int | None = None
    labels: bool = False
    like: Volume | None = None
    files: tuple[Path, ...] = ()
    part: str = ""
    gaps: str = "refuse"


@dataclass(frozen=True)
class Format:
    """A kind of files.

    Attributes:
        inspect: the file's header, without its voxels.
        read: voxels as stored and their place.
    """

    inspect: Callable[[Path], guards.Header]
    read: Callable[[Path, Wanted], Volume]


def read_volume(
    path: str | Path, modality: str = "", files: Sequence[Path] = (), part: str = "", gaps: str = "refuse"
) -> Volume:
    """Read an image: NRRD, NIfTI, MetaImage, a folder with one DICOM series, a DICOM file, PNG or JPEG.

    `scan.nii.gz#3` is the third volume of a file that holds several. What was changed on the way stands in `notes`.

    Args:
        path: the file or folder.
        modality: overrides what the file says (only DICOM says anything).
        files: of one DICOM series, where the path holds more than that or not all of it.
        part: one of several stacks or phases in them, see `find_series`.
        gaps: "resample" interpolates missing DICOM slices, which are refused otherwise.

    Raises:
        VolumeError: missing, unreadable, truncated, too large, not grey, several volumes, missing voxels.
    """
    return _read(path, modality, Wanted(files=tuple(map(Path, files)), part=part, gaps=gaps))


def read_labels(path: str | Path, like: Volume | None = None) -> Volume:
    """Read a label map, a segmentation or a structure set on its own grid: nothing mixes values or shows them in colours.

    Args:
        path: any image file; .seg.nrrd with layers; DICOM SEG and RTSTRUCT, or a folder with one of them.
        like: the image that it belongs to; a structure set is filled on its grid.

    Raises:
        VolumeError: see `read_volume`; a structure set without its image.
    """
    return _read(path, "", Wanted(labels=True, like=like))


def _read(path: str | Path, modality: str, wanted: Wanted) -> Volume:
    from medssl.images.formats.repair import repaired

    file, number = split_choice(path)
    if not file.exists():
        raise VolumeError(
            path, "does not exist", "Check the path; it is read on the machine of the backend", code="file-not-found"
        )
    kind = _series() if wanted.files else format_of(file, wanted.labels)
    header = kind.inspect(file)
    guards.check(file, header)
    header.verify()
    volume = kind.read(file, replace(wanted, number=number))
    check_place(file, (volume.direction * volume.spacing).T, volume.origin)
    volume = replace(volume, name=volume.name or stem(Path(path)))
    volume = repaired(volume, Path(path), modality, wanted.labels)
    return replace(volume, modality=modality or volume.modality)


def format_of(path: Path, labels: bool = False) -> Format:
    """How a file or folder that exists is read, as an image or as labels.

    Raises:
        VolumeError: in no way.
    """
    name, file = path.name.lower(), path.is_file()
    if file and name.endswith(PICTURE_SUFFIXES):
        return _pictures()
    if file and name.endswith(IMAGE_SUFFIXES):
        return _volumes(path, labels)
    if labels and (found := _dicom_labels(path)):
        return Format(_inspect_dicom, found)
    from medssl.images.formats import dicom

    if path.is_dir():
        return Format(_inspect_dicom, lambda folder, wanted: dicom.read_series(folder, wanted.part, wanted.gaps))
    if dicom.is_dicom(path):
        return Format(_inspect_dicom, lambda file, wanted: dicom.read_file(file, wanted.part, wanted.gaps))
    known = ", ".join((*IMAGE_SUFFIXES, *PICTURE_SUFFIXES))
    raise VolumeError(path, "is in no format that MedSSL reads", f"Use DICOM or one of {known}", code="suffix-unknown")


def _series() -> Format:
    from medssl.images.formats import dicom

    return Format(
        lambda path: guards.Header((), 0),  # each slice says its size when its series is put together
        lambda path, wanted: dicom.read_files(wanted.files, path, wanted.part, wanted.gaps),
    )


def _pictures() -> Format:
    from medssl.images.formats import pictures

    return Format(pictures.inspect_picture, lambda path, wanted: pictures.read_picture(path, wanted.labels))


def _volumes(path: Path, labels: bool) -> Format:
    from medssl.images.formats import header, image_files, nifti
    from medssl.images.formats.segments import slicer

    if path.name.lower().endswith(NIFTI_SUFFIXES):
        return Format(header.inspect_image, lambda file, wanted: nifti.read_nifti(file, wanted.number))
    if labels and slicer.segment_fields(path):
        return Format(header.inspect_image, lambda file, _wanted: slicer.read_segmentation(file))
    return Format(header.inspect_image, lambda file, wanted: image_files.read_image(file, wanted.number))


def _dicom_labels(path: Path) -> Callable[[Path, Wanted], Volume] | None:
    """How DICOM segments or structures are read; None where the path holds none, or more than one."""
    from medssl.images.formats.segments.dicom_seg import kind_of_labels, labels_file, read_segments

    file = labels_file(path)
    if file is None:
        return None
    if kind_of_labels(file) == "SEG":
        return lambda _path, _wanted: read_segments(file)
    return lambda _path, wanted: _read_structures(file, wanted.like)


def _read_structures(path: Path, like: Volume | None) -> Volume:
    from medssl.images.formats.segments.structures import read_structures

    if like is None or like.array.ndim < 3:
        raise VolumeError(
            path,
            "is a structure set, whose contours belong to a volume",
            "Give it as the label map of its 3D image",
            code="contours-without-image",
        )
    return read_structures(path, like)


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
