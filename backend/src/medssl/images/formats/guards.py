"""The one place where a file is refused for what its header announces, before anything is allocated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import psutil

from medssl.core.errors import VolumeError

TRUNCATED = "Take another copy of the file: this one is cut off"


@dataclass(frozen=True)
class Header:
    """What a reader can know of a file without reading voxels.

    Attributes:
        shape: (i, j, k) and further axes; () where only reading tells.
        bytes: of all voxels once read.
        most: bytes that the file can hold once unpacked; None where that cannot be known.
    """

    shape: tuple[int, ...]
    bytes: int
    most: int | None = None


def check(path: Path, header: Header) -> None:
    """Refuse what the file cannot hold or the memory cannot take. Every format passes here, once.

    Raises:
        VolumeError: the header announces more than the file or the memory holds.
    """
    if header.most is not None:
        check_held(path, header.shape, header.bytes, header.most)
    check_memory(path, header.shape, header.bytes)


def check_held(path: Path, shape: tuple[int, ...], size: int, most: int) -> None:
    """Refuse a file that cannot hold the bytes that its header announces.

    Raises:
        VolumeError: `size` is more than `most`.
    """
    if size > most:
        raise VolumeError(
            path,
            f"is cut off or its header is wrong: {math.prod(shape):,} voxels are announced, the file has {path.stat().st_size:,} bytes",
            TRUNCATED,
            code="image-truncated",
        )


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
