"""NRRD headers: one reading of them for the guards, the reader and the segments."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nrrd
import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.formats.guards import Header
from medssl.images.formats.intake.beside import beside
from medssl.images.formats.intake.place import check_place
from medssl.images.formats.intake.streams import GZIP, check_stream
from medssl.images.formats.nrrd_fields import canonical_lines

LONGEST = 2**24  # bytes of a header, with the segments of an atlas
LARGEST_RATIO = 1100  # deflate packs at most 1032:1
ERRORS = (nrrd.NRRDError, ValueError, TypeError, KeyError, IndexError, OverflowError)  # what pynrrd raises
VOXEL_BYTES = {"char": 1, "short": 2, "int": 4, "long": 8, "float": 4, "double": 8}
PACKED = ("gzip", "gz")


def parse_fields(header: bytes) -> dict[str, Any]:
    """The fields of a header's bytes by their own names, however they are spelt.

    Raises:
        ValueError, nrrd.NRRDError and others of `ERRORS`: no such header.
    """
    return dict(nrrd.read_header(canonical_lines(header)))


def read_fields(path: Path) -> tuple[dict[str, Any], int]:
    """The fields of a file, and where its header ends.

    Raises:
        VolumeError: no such header.
    """
    try:
        with path.open("rb") as file:
            lines, left = [], LONGEST
            while (line := file.readline(left)).strip():
                lines.append(line)
                left -= len(line)
            if not left:
                raise ValueError(f"it does not end within {LONGEST:,} bytes")
            return parse_fields(b"".join(lines)), file.tell()
    except ERRORS as error:
        raise VolumeError(
            path, f"has no readable NRRD header ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error


def inspect_nrrd(path: Path) -> Header:
    """What an NRRD file announces; its place is checked, and the file of its voxels found.

    Raises:
        VolumeError: no such header, an impossible place, or voxels elsewhere.
    """
    fields, start = read_fields(path)
    try:
        shape, kind = tuple(int(n) for n in fields["sizes"]), str(fields["type"])
        size = math.prod(shape) * voxel_bytes(kind)
        skipped, lines = (int(fields.get(name, 0)) for name in ("byte skip", "line skip"))
        encoding = str(fields["encoding"]).lower()
    except ERRORS as error:
        raise VolumeError(
            path, f"has no readable NRRD header ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error
    check_place(path, *_place(fields))
    voxels, start = _voxels(path, fields.get("data file"), start)
    if lines and encoding in PACKED:
        raise VolumeError(
            path, f"skips {lines} lines of packed voxels", "Save it anew with Slicer", code="image-unreadable"
        )
    held = voxels.stat().st_size - start
    if encoding in PACKED:
        size_there = size + max(0, skipped)
        return Header(shape, size, held * LARGEST_RATIO, lambda: check_stream(voxels, start, size_there, GZIP))
    return Header(shape, size, held if encoding == "raw" else None)  # other encodings are left to ITK


def voxel_bytes(kind: str) -> int:
    """NRRD has many names for a type: short, signed short int, int16, int16_t..."""
    bits = next((n for n in (64, 32, 16, 8) if f"int{n}" in kind), 0)
    if bits:
        return bits // 8
    return next((size for word, size in VOXEL_BYTES.items() if word in kind.replace("long long", "long")), 1)


def _voxels(path: Path, name: object, start: int) -> tuple[Path, int]:
    """The file of the voxels, and where they begin in it."""
    if name is None:
        return path, start
    stated = str(name)
    if "%" in stated or stated.upper().split()[:1] in ([], ["LIST"]):
        raise VolumeError(
            path, f"keeps its voxels in several files ({stated!a})", "Save it as one file", code="voxels-elsewhere"
        )
    return beside(path, stated), 0


def _place(fields: dict[str, Any]) -> tuple[list[Any], Any]:
    """A step for each axis that has one, and the origin."""
    directions, spacings, origin = (fields.get(name) for name in ("space directions", "spacings", "space origin"))
    if directions is not None:
        steps = [
            row for row in np.atleast_2d(directions) if not np.isnan(row).all()
        ]  # NaN: an axis without a direction
    else:
        steps = [[step] for step in spacings if not np.isnan(step)] if spacings is not None else []
    return steps, () if origin is None else origin
