"""What the header of an image file announces. Nothing is refused here that `guards` can refuse."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import nrrd
import SimpleITK as sitk

from medssl.core.errors import VolumeError
from medssl.core.files import split_choice
from medssl.images.formats.file_names import NIFTI_SUFFIXES
from medssl.images.formats.guards import TRUNCATED, Header, check, check_memory
from medssl.images.formats.metaimage_fields import check_beside, check_fields
from medssl.images.formats.nrrd_fields import names_other_file

__all__ = ["Header", "check_memory", "inspect_image", "read_image_header"]

LARGEST_RATIO = 1100  # deflate packs at most 1032:1
LARGEST_OFFSET = 2**31  # bytes of extensions; NaN is no offset
VOXEL_BYTES = {
    sitk.sitkUInt8: 1, sitk.sitkInt8: 1, sitk.sitkUInt16: 2, sitk.sitkInt16: 2, sitk.sitkUInt32: 4,
    sitk.sitkInt32: 4, sitk.sitkUInt64: 8, sitk.sitkInt64: 8, sitk.sitkFloat32: 4, sitk.sitkFloat64: 8,
}  # fmt: skip
NRRD_ERRORS = (nrrd.NRRDError, ValueError, TypeError, KeyError, IndexError, OverflowError)  # what pynrrd raises
NRRD_BYTES = {"char": 1, "short": 2, "int": 4, "long": 8, "float": 4, "double": 8}


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
        VolumeError: an empty file, no such header, or a gzip file that ends too early.
    """
    refuse_empty(path)
    name = path.name.lower()
    if name.endswith((".nrrd", ".nhdr")):
        return _inspect_nrrd(path)
    if name.endswith(NIFTI_SUFFIXES):
        return _inspect_nifti(path)
    return _inspect_metaimage(path)


def refuse_empty(path: Path) -> None:
    """Raises VolumeError: a file of no bytes."""
    if path.stat().st_size == 0:
        raise VolumeError(path, "is empty", TRUNCATED, code="image-truncated")


def _inspect_nrrd(path: Path) -> Header:
    try:
        with path.open("rb") as file:
            fields = nrrd.read_header(file)
            end = file.tell()
            file.seek(0)
            detached = names_other_file(file.read(end))
            held = path.stat().st_size - end
        shape, kind, encoding = tuple(int(n) for n in fields["sizes"]), str(fields["type"]), fields["encoding"]
    except NRRD_ERRORS as error:
        raise VolumeError(
            path, f"has no readable NRRD header ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error
    size = math.prod(shape) * _nrrd_voxel_bytes(kind)
    ratio = {"raw": 1, "gzip": LARGEST_RATIO, "gz": LARGEST_RATIO}.get(encoding)
    # other encodings, and voxels in other files, are left to ITK
    return Header(shape, size, held * ratio if ratio and not detached else None)


def _nrrd_voxel_bytes(kind: str) -> int:
    """NRRD has many names for a type: short, signed short int, int16, int16_t..."""
    bits = next((n for n in (64, 32, 16, 8) if f"int{n}" in kind), 0)
    if bits:
        return bits // 8
    return next((size for word, size in NRRD_BYTES.items() if word in kind.replace("long long", "long")), 1)


def _inspect_nifti(path: Path) -> Header:
    packed = is_gzip(path)
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            start = file.read(540)
    except (OSError, EOFError, zlib.error) as error:
        raise VolumeError(path, f"is no gzip file, or cut off ({error})", TRUNCATED, code="image-truncated") from error
    shape, voxel_bytes, offset = _nifti_fields(path, start)
    size = math.prod(shape) * voxel_bytes
    if path.suffix.lower() == ".hdr" and b"ni" not in (start[4:6], start[344:346]):
        raise VolumeError(
            path,
            "is Analyze, which does not say which side is left",
            "Load it in Slicer, check left and right, and save it as .nii.gz or .nrrd",
            code="analyze-format",
        )
    if path.suffix.lower() == ".hdr":  # the voxels are in the .img file beside it
        return Header(shape, size)
    disk = path.stat().st_size
    if not packed:
        return Header(shape, size, disk - offset)
    header = Header(shape, size, disk * LARGEST_RATIO)
    check(path, header)  # before unpacking a gigabyte to count it
    if _gzip_size(path) != (offset + size) % 2**32 and _unpacked_size(path) < offset + size:
        raise VolumeError(
            path, f"is cut off: its header announces {size:,} bytes of voxels", TRUNCATED, code="image-truncated"
        )
    return header


def is_gzip(path: Path) -> bool:
    """Whether the bytes are packed, whatever the name says."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _nifti_fields(path: Path, start: bytes) -> tuple[tuple[int, ...], int, int]:
    """Shape, bytes per voxel and offset of the voxels, of NIfTI-1 and NIfTI-2 in either byte order."""
    for order in "<>":
        if len(start) >= 348 and struct.unpack(order + "i", start[:4])[0] == 348:
            dims, bits = struct.unpack(order + "8h", start[40:56]), struct.unpack(order + "h", start[72:74])[0]
            offset = struct.unpack(order + "f", start[108:112])[0]
        elif len(start) >= 540 and struct.unpack(order + "i", start[:4])[0] == 540:
            dims, bits = struct.unpack(order + "8q", start[16:80]), struct.unpack(order + "h", start[14:16])[0]
            offset = struct.unpack(order + "q", start[168:176])[0]
        else:
            continue
        if 1 <= dims[0] <= 7 and abs(offset) < LARGEST_OFFSET:
            return tuple(int(n) for n in dims[1 : dims[0] + 1]), bits // 8, int(offset)
    raise VolumeError(path, "has no readable NIfTI header", "Take another copy of the file", code="image-unreadable")


def _gzip_size(path: Path) -> int:
    """The unpacked size modulo 2^32, as gzip's last four bytes give it; in a cut-off file they are noise."""
    with path.open("rb") as file:
        file.seek(-4, 2)
        return struct.unpack("<I", file.read(4))[0]


def _unpacked_size(path: Path) -> int:
    """Count by unpacking: for files of several gzip members, whose last bytes speak of the last member alone."""
    total = 0
    try:
        with gzip.open(path) as file:
            while piece := file.read(2**20):
                total += len(piece)
    except (OSError, EOFError, zlib.error):
        return total
    return total


def _inspect_metaimage(path: Path) -> Header:
    beside = check_fields(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise VolumeError(
            path, "has no readable header", "Take another copy of the file", code="image-unreadable"
        ) from error
    shape = tuple(int(n) for n in reader.GetSize())
    size = math.prod(shape) * VOXEL_BYTES.get(reader.GetPixelID(), 1) * reader.GetNumberOfComponents()
    if not beside:
        return Header(shape, size, path.stat().st_size * LARGEST_RATIO)
    check_memory(path, shape, size)  # before the other file is asked for
    return Header(shape, size, check_beside(path, beside) * LARGEST_RATIO)
