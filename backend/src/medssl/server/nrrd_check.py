"""Is an uploaded file an NRRD volume as large as its header says? Only the header is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from medssl.core.errors import VolumeError
from medssl.images.formats.nrrd_fields import names_other_file

LONGEST_HEADER = 2**20
MOST_BYTES = 64 * 2**30  # of voxels, uncompressed
ENCODINGS = ("raw", "gzip", "gz")
BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t", "double"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
}


def check_nrrd(path: Path, name: str) -> None:
    """Compare the header with the bytes that follow it.

    Args:
        path: the file.
        name: how errors call it.

    Raises:
        VolumeError: not an NRRD file with its data attached, too many voxels, or fewer bytes than announced.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST_HEADER)
    ends = [start.find(mark) + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if mark in start]
    if not start.startswith(b"NRRD") or not ends:
        raise VolumeError(
            name, "is not an NRRD file with its data attached", "Save the volume as .nrrd", code="not-nrrd"
        )
    header = start[: min(ends)]
    if names_other_file(header):
        raise VolumeError(name, "points to its voxels in another file", "Save it as .nrrd, not as .nhdr")
    _check_announced(_parse(header, name), path.stat().st_size - min(ends), name)


def _parse(header: bytes, name: str) -> dict[str, Any]:
    # here: it imports NumPy, which the server needs for nothing else
    from medssl.images.formats.intake.nrrd_header import ERRORS, parse_fields

    try:
        return parse_fields(header)
    except ERRORS as error:
        raise VolumeError(
            name, f"has a header that cannot be read ({error})", "Save the volume again", code="nrrd-damaged"
        ) from error


def _check_announced(header: dict[str, Any], present: int, name: str) -> None:
    encoding, kind = str(header.get("encoding", "")).lower(), str(header.get("type", "")).lower()
    if encoding not in ENCODINGS:
        raise VolumeError(
            f"{name}, encoding {encoding!r}",
            "is not supported",
            "Save the volume raw or with gzip",
            code="nrrd-encoding",
        )
    if kind not in BYTES:
        raise VolumeError(
            f"{name}, type {kind!r}", "is not a type of voxels", "Save the volume as short or float", code="nrrd-header"
        )
    sizes = [int(size) for size in header.get("sizes", ())]
    voxels = math.prod(sizes)
    if not sizes or min(sizes) < 1:
        raise VolumeError(f"{name}, sizes {sizes}", "must be positive", "Save the volume again", code="nrrd-header")
    announced = voxels * BYTES[kind]
    if announced > MOST_BYTES:
        raise VolumeError(
            f"{name}, {voxels} voxels", f"are more than {MOST_BYTES} bytes", "Crop or resample the volume"
        )
    if encoding == "raw" and present < announced:
        raise VolumeError(
            f"{name}, {present} bytes",
            f"are fewer than the {announced} its header announces",
            "Save the volume again",
            code="nrrd-truncated",
        )
