"""The one place where a file is refused, before any library parses its voxels: announced size, place and checksum."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medssl.core.errors import VolumeError
from medssl.images.formats.intake.memory import SETTING, most_bytes

TRUNCATED = "Take another copy of the file: this one is cut off"


@dataclass(frozen=True)
class Header:
    """What a reader can know of a file without reading voxels.

    Attributes:
        shape: (i, j, k) and further axes; () where only reading tells.
        bytes: of all voxels once read.
        most: bytes that the file can hold once unpacked; None where that cannot be known.
        verify: compares checksums, where the format has some; raises VolumeError.
    """

    shape: tuple[int, ...]
    bytes: int
    most: int | None = None
    verify: Callable[[], None] = lambda: None


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
        VolumeError: `size` bytes are more than the memory that is free now, or than the setting allows.
    """
    free = most_bytes()
    if size > free:
        voxels = math.prod(shape)
        raise VolumeError(
            path,
            f"announces {voxels:,} voxels ({size / 2**30:,.1f} GiB), more than the {free / 2**30:.1f} GiB that are free or allowed",
            f"Check the file, crop or resample the image first, or raise {SETTING} where that is set",
            code="more-than-memory",
        )
