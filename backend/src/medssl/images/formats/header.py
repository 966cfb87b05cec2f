"""What a file's header announces, checked against the file and the memory before anything is allocated."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import nrrd
import psutil
import SimpleITK as sitk

from medssl.core.errors import VolumeError
from medssl.images.formats.nrrd_fields import names_other_file

LARGEST_RATIO = 1100  # deflate packs at most 1032:1
VOXEL_BYTES = {
    sitk.sitkUInt8: 1, sitk.sitkInt8: 1, sitk.sitkUInt16: 2, sitk.sitkInt16: 2, sitk.sitkUInt32: 4,
    sitk.sitkInt32: 4, sitk.sitkUInt64: 8, sitk.sitkInt64: 8, sitk.sitkFloat32: 4, sitk.sitkFloat64: 8,
}  # fmt: skip
NRRD_BYTES = {"char": 1, "short": 2, "int": 4, "long": 8, "float": 4, "double": 8}
TRUNCATED = "Take another copy of the file: this one is cut off"


@dataclass(frozen=True)
class Header:
    """Shape (i, j, k) and the bytes of all voxels once read."""

    shape: tuple[int, ...]
    bytes: int


def read_image_header(path: Path) -> Header:
    """Shape and size of an NRRD, NIfTI or MetaImage file, without reading voxels.

    Raises:
        VolumeError: an empty file, no such header, or one that announces more than the file or the memory holds.
    """
    if path.stat().st_size == 0:
        raise VolumeError(path, "is empty", TRUNCATED, code="image-truncated")
    name = path.name.lower()
    if name.endswith((".nrrd", ".nhdr")):
        header = _read_nrrd(path)
    elif name.endswith((".nii", ".nii.gz")):
        header = _read_nifti(path)
    else:
        header = _read_itk(path)
    check_memory(path, header.shape, header.bytes)
    return header


def check_memory(path: Path, shape: tuple[int, ...], size: int) -> None:
    """Refuse an image that cannot be held in memory.

    Raises:
        VolumeError: `size` bytes are more than the memory that is free now.
    """
    free = psutil.virtual_memory().available
    if size > free:
        voxels = math.prod(shape)
        raise VolumeError(
            path,
            f"announces {voxels:,} voxels ({size / 2**30:,.1f} GiB), more than the {free / 2**30:.1f} GiB of free memory",
            "Check the file, or crop or resample the image first",
            code="more-than-memory",
        )


def _read_nrrd(path: Path) -> Header:
    try:
        with path.open("rb") as file:
            fields = nrrd.read_header(file)
            end = file.tell()
            file.seek(0)
            detached = names_other_file(file.read(end))
            held = path.stat().st_size - end
        shape, kind, encoding = tuple(int(n) for n in fields["sizes"]), str(fields["type"]), fields["encoding"]
    except (nrrd.NRRDError, ValueError, KeyError, UnicodeDecodeError) as error:
        raise VolumeError(
            path, f"has no readable NRRD header ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error
    size = math.prod(shape) * _nrrd_voxel_bytes(kind)
    ratio = {"raw": 1, "gzip": LARGEST_RATIO, "gz": LARGEST_RATIO}.get(encoding)
    if ratio and not detached:  # else the voxels are in other files, which ITK checks
        _check_held(path, shape, size, held * ratio)
    return Header(shape, size)


def _nrrd_voxel_bytes(kind: str) -> int:
    """NRRD has many names for a type: short, signed short int, int16, int16_t..."""
    bits = next((n for n in (64, 32, 16, 8) if f"int{n}" in kind), 0)
    if bits:
        return bits // 8
    return next((size for word, size in NRRD_BYTES.items() if word in kind.replace("long long", "long")), 1)


def _read_nifti(path: Path) -> Header:
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            start = file.read(540)
    except (OSError, EOFError, zlib.error) as error:
        raise VolumeError(path, f"is no gzip file, or cut off ({error})", TRUNCATED, code="image-truncated") from error
    shape, voxel_bytes, offset = _nifti_fields(path, start)
    size = math.prod(shape) * voxel_bytes
    disk = path.stat().st_size
    if not packed:
        _check_held(path, shape, offset + size, disk)
        return Header(shape, size)
    _check_held(path, shape, size, disk * LARGEST_RATIO)
    check_memory(path, shape, size)
    if _gzip_size(path) != (offset + size) % 2**32 and _unpacked_size(path) < offset + size:
        raise VolumeError(
            path, f"is cut off: its header announces {size:,} bytes of voxels", TRUNCATED, code="image-truncated"
        )
    return Header(shape, size)


def _nifti_fields(path: Path, start: bytes) -> tuple[tuple[int, ...], int, int]:
    """Shape, bytes per voxel and offset of the voxels, of NIfTI-1 and NIfTI-2 in either byte order."""
    for order in "<>":
        if len(start) >= 352 and struct.unpack(order + "i", start[:4])[0] == 348:
            dims, bits = struct.unpack(order + "8h", start[40:56]), struct.unpack(order + "h", start[72:74])[0]
            offset = struct.unpack(order + "f", start[108:112])[0]
        elif len(start) >= 540 and struct.unpack(order + "i", start[:4])[0] == 540:
            dims, bits = struct.unpack(order + "8q", start[16:80]), struct.unpack(order + "h", start[14:16])[0]
            offset = struct.unpack(order + "q", start[168:176])[0]
        else:
            continue
        if 1 <= dims[0] <= 7:
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


def _read_itk(path: Path) -> Header:
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
    if path.suffix.lower() == ".mha":
        _check_held(path, shape, size, path.stat().st_size * LARGEST_RATIO)
    return Header(shape, size)


def _check_held(path: Path, shape: tuple[int, ...], size: int, limit: int) -> None:
    if size > limit:
        raise VolumeError(
            path,
            f"is cut off or its header is wrong: {math.prod(shape):,} voxels are announced, the file has {path.stat().st_size:,} bytes",
            TRUNCATED,
            code="image-truncated",
        )
