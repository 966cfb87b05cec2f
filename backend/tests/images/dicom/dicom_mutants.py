"""Damaged DICOM files for tests: what disks, transfers, anonymisers and broken writers do to a good one."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

VRS = [b"US", b"SS", b"DS", b"IS", b"SQ", b"UN", b"OB", b"OW", b"FD", b"PN", b"UI", b"AT", b"LO", b"XX", b"\0\0"]
NUMBERS = [
    "0",
    "-1",
    "1",
    "65535",
    "4294967295",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "1e-320",
    "0x10",
    "",
    " ",
    "abc",
    "1\\2\\3\\4\\5\\6\\7",
    "9" * 400,
]
WORDS = [
    "",
    "\0",
    "ü" * 70,
    "A" * 70000,
    "\\" * 50,
    "..\\..\\x",
    "🫁",
    "1.2.840.10008.1.2.4.90",
    "MONOCHROME3",
    "RGB",
    "PALETTE COLOR",
]


def mutate(good: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """One damaged copy of a file, and what was done to it."""
    change = CHANGES[rng.integers(len(CHANGES))]
    return change.__name__, change(good, rng)


def flip_bytes(good: bytes, rng: np.random.Generator) -> bytes:
    return _flip(good, rng, 0, len(good), int(rng.integers(1, 40)))


def flip_header(good: bytes, rng: np.random.Generator) -> bytes:
    return _flip(good, rng, 128, min(len(good), 1600), int(rng.integers(1, 12)))


def flip_many(good: bytes, rng: np.random.Generator) -> bytes:
    return _flip(good, rng, 132, len(good), len(good) // 20 + 1)


def _flip(good: bytes, rng: np.random.Generator, start: int, stop: int, number: int) -> bytes:
    data = bytearray(good)
    for place in rng.integers(min(start, stop - 1), stop, number):
        data[place] = int(rng.integers(256))
    return bytes(data)


def cut(good: bytes, rng: np.random.Generator) -> bytes:
    return good[: int(rng.integers(0, len(good)))]


def cut_out(good: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(good)))
    return good[:start] + good[start + int(rng.integers(1, 200)) :]


def put_in(good: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(good)))
    return good[:start] + rng.integers(0, 256, int(rng.integers(1, 200)), dtype=np.uint8).tobytes() + good[start:]


def without_preamble(good: bytes, rng: np.random.Generator) -> bytes:
    return _flip(good[132:], rng, 0, len(good) - 132, int(rng.integers(0, 4)))


def another_vr(good: bytes, rng: np.random.Generator) -> bytes:
    """The VR of an element of explicit VR, in the bytes."""
    places = [
        n for n in range(132, len(good) - 8) if good[n + 4 : n + 6] in (b"US", b"DS", b"IS", b"CS", b"UI", b"SQ", b"OW")
    ]
    if not places:
        return flip_header(good, rng)
    place = places[rng.integers(len(places))] + 4
    return good[:place] + VRS[rng.integers(len(VRS))] + good[place + 2 :]


def another_length(good: bytes, rng: np.random.Generator) -> bytes:
    places = [n + 6 for n in range(132, len(good) - 8) if good[n + 4 : n + 6] in (b"US", b"DS", b"IS", b"CS", b"UI")]
    if not places:
        return flip_header(good, rng)
    place = places[rng.integers(len(places))]
    return good[:place] + struct.pack("<H", int(rng.integers(0, 65536))) + good[place + 2 :]


def another_value(good: bytes, rng: np.random.Generator) -> bytes:
    """A value of one tag replaced by another, of whatever kind."""

    def change(image: Dataset) -> None:
        tag = _any_tag(image, rng)
        element = image[tag]
        words = [*NUMBERS, *WORDS] if element.VR not in ("US", "SS", "UL", "SL") else []
        options = [*words, *[0, 1, 2, 3, 7, 16, 255, 65535]]
        choice = options[rng.integers(len(options))]
        element._value = choice if element.VR in ("US", "SS", "UL", "SL") else str(choice)

    return _edited(good, rng, change)


def without_tag(good: bytes, rng: np.random.Generator) -> bytes:
    return _edited(good, rng, lambda image: image.__delitem__(_any_tag(image, rng)))


def empty_tag(good: bytes, rng: np.random.Generator) -> bytes:
    def change(image: Dataset) -> None:
        image[_any_tag(image, rng)]._value = None

    return _edited(good, rng, change)


def giant(good: bytes, rng: np.random.Generator) -> bytes:
    """More rows, columns, frames or bits announced than there are."""

    def change(image: Dataset) -> None:
        for name in rng.permutation(["Rows", "Columns", "NumberOfFrames", "BitsAllocated", "SamplesPerPixel"])[:2]:
            value = int(rng.choice([0, 1, 3, 64, 4096, 65535]))
            setattr(image, str(name), value if name != "NumberOfFrames" else int(rng.choice([0, 2, 10**6, 2**31 - 1])))

    return _edited(good, rng, change)


def another_syntax(good: bytes, rng: np.random.Generator) -> bytes:
    uids = [
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.5",
        "1.2.3",
        "",
    ]
    old = pydicom.dcmread(io.BytesIO(good), force=True).file_meta.get("TransferSyntaxUID", "")
    new = uids[rng.integers(len(uids))]
    width = len(old) + len(old) % 2
    return (
        good.replace(old.encode().ljust(width, b"\0"), new.encode().ljust(width, b"\0")[:width], 1)
        if old
        else cut(good, rng)
    )


def deep(good: bytes, rng: np.random.Generator) -> bytes:
    """Sequences in sequences, deeper than any stack."""
    depth = int(rng.choice([30, 500, 4000]))
    start = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    place = good.find(b"\x08\x00\x60\x00")
    return good[: max(place, 132)] + start * depth + end * depth + good[max(place, 132) :]


def _any_tag(image: Dataset, rng: np.random.Generator) -> int:
    tags = list(image.keys())
    return tags[rng.integers(len(tags))]


def _edited(good: bytes, rng: np.random.Generator, change: Callable[[Dataset], None]) -> bytes:
    image = pydicom.dcmread(io.BytesIO(good), force=True)
    out = io.BytesIO()
    try:
        for _ in range(int(rng.integers(1, 4))):
            change(image)
        image.save_as(out)
    except Exception:  # what pydicom cannot write
        return flip_header(good, rng)
    return out.getvalue()


CHANGES = (flip_bytes, flip_header, flip_many, cut, cut_out, put_in, without_preamble, another_vr, another_length, another_value, another_value, without_tag, without_tag, empty_tag, empty_tag, giant, another_syntax, deep)  # fmt: skip


def good_files(folder: Path) -> list[bytes]:
    """Small files of every kind: those that a test wrote into `folder`, and pydicom's own in packed transfer syntaxes."""
    own = [path.read_bytes() for path in sorted(folder.iterdir())]
    shipped = Path(pydicom.__file__).parent / "data" / "test_files"
    names = ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "JPGExtended.dcm", "JPEGLSNearLossless_08.dcm", "rtdose.dcm")  # fmt: skip
    return own + [(shipped / name).read_bytes() for name in names if (shipped / name).is_file()]
