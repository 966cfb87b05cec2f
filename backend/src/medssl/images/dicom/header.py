"""DICOM headers: what of a file is read without its pixels, and one place where a library's errors become ours."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medssl.core.errors import MedSSLError, VolumeError
from medssl.images.formats.guards import check_memory
from medssl.images.formats.intake.memory import most_bytes
from medssl.images.intensity.voi_window import RADIOGRAPHS

SLICES = ("CT", "MR", "PT", "NM", "US", "IVUS", "OPT", "OCT")  # never a projection, whatever is missing
VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split())  # fmt: skip

warnings.filterwarnings("ignore", module=r"pydicom\.")  # of odd values, which are refused or noted here


@contextmanager
def refusing(path: Path, what: str = "is no readable DICOM file") -> Iterator[None]:
    """Any error that a library raises over the file becomes a VolumeError that names it.

    Damaged files make pydicom, numpy and the decoders raise whatever they come across (struct.error, zlib.error,
    UnicodeDecodeError, OverflowError, RecursionError, MemoryError for an announced size); a list of kinds was never
    complete, and a file from outside is a border like a process.
    """
    try:
        yield
    except MedSSLError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise VolumeError(
            path,
            f"{what} ({reason})",
            "Take another copy: this one is damaged, cut off or packed in an unknown way",
            code="image-unreadable",
        ) from error


def is_dicom(path: Path) -> bool:
    """Does the file begin like DICOM, with or without the preamble of 128 bytes?"""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or _begins_with_an_element(start)


def _begins_with_an_element(start: bytes) -> bool:
    """Files without a preamble begin with an element of group 2 or 8 (in either byte order), with or without its VR."""
    group = start[:2]
    if len(start) < 16 or group not in (b"\x02\0", b"\x08\0", b"\0\x02", b"\0\x08"):
        return False
    little = group in (b"\x02\0", b"\x08\0")
    if start[4:6] in VRS:
        return True
    element, length = (int.from_bytes(part, "little") for part in (start[2:4], start[4:8]))
    return (
        little and element < 0x3000 and 0 < length <= 64 and length % 2 == 0
    )  # implicit VR: always little endian, and short values first


def check_packed(path: Path) -> None:
    """Refuse a deflated file that would not fit into memory once it is unpacked, which pydicom does in one piece."""
    with refusing(path), path.open("rb") as file:
        if file.read(132)[128:] != b"DICM" or not _skip_meta(file):
            return
        packer, unpacked = zlib.decompressobj(-zlib.MAX_WBITS), 0
        limit = most_bytes() // 3
        while (piece := file.read(2**16)) and not packer.eof:
            while piece and not packer.eof:
                unpacked += len(packer.decompress(piece, 2**24))
                piece = packer.unconsumed_tail
                check_memory(path, (unpacked,), 3 * unpacked if unpacked > limit else 0)


def _skip_meta(file: BinaryIO) -> bool:
    """Go behind the file meta information (group 2, explicit VR, little endian); is what follows deflated?"""
    deflated = False
    while (head := file.read(8))[:2] == b"\x02\0":
        long = head[4:6] in (b"OB", b"UN", b"SQ", b"OW", b"UT")
        length = int.from_bytes(file.read(4) if long else head[6:8], "little")
        value = file.read(min(length, 2**16))
        deflated |= head[2:4] == b"\x10\0" and value.strip(b"\0 ") == DeflatedExplicitVRLittleEndian.encode()
    file.seek(-len(head), 1)
    return deflated


def read_header(path: Path, tags: Sequence[str] = ()) -> Dataset:
    """The file's elements before the pixels, or those named in `tags` only.

    Raises:
        VolumeError: no DICOM, or damaged before the pixels.
    """
    check_packed(path)
    with refusing(path):
        header = pydicom.dcmread(path, stop_before_pixels=True, force=is_dicom(path), specific_tags=list(tags) if tags else None)  # fmt: skip
        for element in header:  # values are converted when they are looked at: here, where errors are caught
            header[element.tag]
    return header


def text(header: Dataset, name: str) -> str:
    """A tag's value as plain text, several values joined by a backslash; "" where it is absent or empty."""
    value = header.get(name)
    if value is None:
        return ""
    parts = value if isinstance(value, (list, tuple, pydicom.multival.MultiValue)) else [value]
    return "\\".join(str(part).strip(" \0") for part in parts)


def numbers(header: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """A tag's `count` numbers; None where the tag is absent or empty.

    Raises:
        ValueError: another number of values, or one that is no finite number.
    """
    stated = text(header, name)
    if not stated:
        return None
    values = tuple(float(part) for part in stated.split("\\"))
    if len(values) != count or not all(abs(value) < 1e12 for value in values):
        raise ValueError(f"{name} is {stated[:80]!r}")
    return values


def whole(header: Dataset, name: str, default: int = 0) -> int:
    """A tag's whole number; `default` where it is absent or empty.

    Raises:
        ValueError: no number.
    """
    stated = text(header, name)
    try:
        return int(float(stated)) if stated else default
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} is {stated[:80]!r}") from error


def is_projection(header: Dataset) -> bool:
    """Is this a radiograph: by its modality, or because it is one frame that no tag places in the patient?

    CT, MR, PET and the like never are; RF, XA, MG, OT or no modality are where ImagePositionPatient and
    ImageOrientationPatient are absent or empty.
    """
    modality = text(header, "Modality")
    if modality in RADIOGRAPHS:
        return True
    placed: str | bool = text(header, "ImagePositionPatient") or text(header, "ImageOrientationPatient")
    placed = placed or "PerFrameFunctionalGroupsSequence" in header
    return modality not in SLICES and not placed and whole(header, "NumberOfFrames", 1) <= 1
