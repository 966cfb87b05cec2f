"""Packed frames of DICOM files: the size that each says itself, compared with the header's before a decoder believes it."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import UID, RLELossless

from medssl.images.dicom.header import whole
from medssl.images.formats.guards import check_memory

RLE_RATIO, RLE_EXCESS, RLE_SPARE = 64, 2, 2**10  # two bytes unpack to 128 at most; noise grows by less than a half
NO_SIZE = (0xC4, 0xC8, 0xCC)  # JPEG's markers among C0 to CF that begin no frame
FRAME_LS = 0xF7  # begins a frame of JPEG-LS
CODESTREAM = b"\xff\x4f\xff\x51"  # start and size of JPEG 2000, in a file of its own or in boxes


def check_frames(path: Path, image: Dataset, syntax: UID) -> None:
    """Refuse frames that would unpack to more than the header announces: decoders take memory for what is inside.

    Raises:
        ValueError: a frame of another size.
        VolumeError: more than the memory holds.
    """
    if not syntax.is_encapsulated or syntax.is_private or "PixelData" not in image:
        return
    columns, rows = whole(image, "Columns"), whole(image, "Rows")
    announced = columns * rows * max(whole(image, "SamplesPerPixel", 1), 1) * max(whole(image, "BitsAllocated") // 8, 1)
    for packed in generate_frames(image.PixelData, number_of_frames=max(whole(image, "NumberOfFrames", 1), 1)):
        if syntax == RLELossless:
            if len(packed) > RLE_EXCESS * announced + RLE_SPARE:
                raise ValueError(f"{len(packed):,} packed bytes for a frame of {announced:,}")
            check_memory(path, (columns, rows), RLE_RATIO * len(packed))
        size = stated_size(packed)
        if size is not None and size != (columns, rows):
            raise ValueError(f"a packed frame of {size[0]} x {size[1]} pixels where {columns} x {rows} were announced")


def stated_size(packed: bytes) -> tuple[int, int] | None:
    """(columns, rows) of a JPEG, JPEG-LS or JPEG 2000 picture, by its own header; None where it does not say."""
    at = packed.find(CODESTREAM, 0, 2**12)
    if at >= 0 and len(packed) >= at + 24:
        right, bottom, left, top = (int.from_bytes(packed[n : n + 4], "big") for n in range(at + 8, at + 24, 4))
        return right - left, bottom - top
    at = 2 if packed.startswith(b"\xff\xd8") else len(packed)
    while at + 9 <= len(packed) and packed[at] == 0xFF:
        kind, length = packed[at + 1], int.from_bytes(packed[at + 2 : at + 4], "big")
        if kind == 0xFF:  # a byte that only fills
            at += 1
        elif kind == FRAME_LS or (0xC0 <= kind <= 0xCF and kind not in NO_SIZE):
            rows, columns = (int.from_bytes(packed[n : n + 2], "big") for n in (at + 5, at + 7))
            return (columns, rows) if rows else None
        else:
            at += 2 + length
    return None
