"""NIfTI headers: shape, size and place, without nibabel or ITK looking at the voxels."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.formats.guards import TRUNCATED, Header, check
from medssl.images.formats.intake.beside import beside
from medssl.images.formats.intake.place import MOST, check_place
from medssl.images.formats.intake.streams import GZIP, check_stream

LARGEST_RATIO = 1100  # deflate packs at most 1032:1
LARGEST_OFFSET = 2**31  # bytes of extensions; NaN is no offset
NIFTI_1, NIFTI_2 = 348, 540  # bytes of the header, which is also its first number
PAIRED = (".img", ".IMG", ".img.gz")


def is_gzip(path: Path) -> bool:
    """Whether the bytes are packed, whatever the name says."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def voxel_file(header: Path) -> Path:
    """The .img file of a .hdr; the first name that it could have where there is none.

    Raises:
        VolumeError: a link that leads elsewhere.
    """
    found = next((file for suffix in PAIRED if (file := header.with_suffix(suffix)).is_file()), None)
    return beside(header, found.name) if found else header.with_suffix(PAIRED[0])


def inspect_nifti(path: Path) -> Header:
    """What a NIfTI file announces; its place is checked.

    Raises:
        VolumeError: no such header, an impossible place, Analyze, or a gzip file that ends too early.
    """
    packed = is_gzip(path)
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            start = file.read(NIFTI_2)
    except (OSError, EOFError, zlib.error) as error:
        raise VolumeError(path, f"is no gzip file, or cut off ({error})", TRUNCATED, code="image-truncated") from error
    pair = path.suffix.lower() == ".hdr"
    shape, voxel_bytes, offset = _fields(path, start)
    size = math.prod(shape) * voxel_bytes
    if pair and b"ni" not in (start[4:6], start[344:346]):
        raise VolumeError(
            path,
            "is Analyze, which does not say which side is left",
            "Load it in Slicer, check left and right, and save it as .nii.gz or .nrrd",
            code="analyze-format",
        )
    voxels = voxel_file(path) if pair else path
    if pair and not voxels.is_file():
        return Header(shape, size)  # reading says which file is not there
    disk = voxels.stat().st_size
    if not is_gzip(voxels):
        return Header(shape, size, None if pair else disk - offset)
    whole = offset + size
    header = Header(shape, size, disk * LARGEST_RATIO, lambda: check_stream(voxels, 0, whole, GZIP))
    check(path, header)  # before unpacking a gigabyte to count it
    if not pair and _gzip_size(path) != whole % 2**32:  # several members, or cut off
        check_stream(path, 0, whole, GZIP)
    return header


def _fields(path: Path, start: bytes) -> tuple[tuple[int, ...], int, int]:
    """Shape, bytes per voxel and offset of the voxels, of NIfTI-1 and NIfTI-2 in either byte order."""
    for order in "<>":
        kind = struct.unpack(order + "i", start[:4])[0] if len(start) >= NIFTI_1 else 0
        if kind not in (NIFTI_1, NIFTI_2) or len(start) < kind:
            continue
        cls = nibabel.Nifti1Header if kind == NIFTI_1 else nibabel.Nifti2Header
        fields = cls(start[:kind], endianness=order, check=False)
        dims, offset = fields["dim"], float(fields["vox_offset"])
        if 1 <= dims[0] <= 7 and min(dims[1 : dims[0] + 1]) >= 0 and abs(offset) < LARGEST_OFFSET:
            _check_place(path, fields, min(int(dims[0]), 3))
            return tuple(int(n) for n in dims[1 : dims[0] + 1]), _voxel_bytes(path, fields), int(offset)
    raise VolumeError(path, "has no readable NIfTI header", "Take another copy of the file", code="image-unreadable")


def _voxel_bytes(path: Path, fields: nibabel.Nifti1Header) -> int:
    """By the data type, as the reader takes them; `bitpix` may say anything."""
    code = int(fields["datatype"])
    try:
        size = int(fields.get_data_dtype().itemsize)
    except KeyError:
        size = 0
    if not size:  # also the types "unknown", "binary" and "all"
        raise VolumeError(
            path,
            f"has the data type {code}, of which there are no voxels",
            "Take another copy of the file",
            code="image-unreadable",
        )
    return size


def _check_place(path: Path, fields: nibabel.Nifti1Header, axes: int) -> None:
    """Of what the header says to be there: pixdim always (0 means 1), quaternion and matrix by their codes.

    ITK looks at all of them, whichever is taken in the end.
    """
    spacing = np.abs(fields["pixdim"][1 : axes + 1].astype(np.float64))
    check_place(path, [[step or 1.0] for step in spacing])
    if fields["qform_code"]:
        names = ("quatern_b", "quatern_c", "quatern_d")
        turn = [float(fields[name]) for name in names]
        if not all(abs(part) <= MOST for part in turn):
            check_place(path, [turn])
        check_place(path, (), [float(fields[f"qoffset_{axis}"]) for axis in "xyz"])
    if fields["sform_code"]:
        matrix = np.array([fields[f"srow_{axis}"] for axis in "xyz"], np.float64)
        check_place(path, matrix[:, :3].T, matrix[:, 3])


def _gzip_size(path: Path) -> int:
    """The unpacked size modulo 2^32, as gzip's last four bytes give it; in a cut-off file they are noise."""
    with path.open("rb") as file:
        file.seek(-4, 2)
        return struct.unpack("<I", file.read(4))[0]
