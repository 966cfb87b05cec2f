"""Packed voxels, unpacked once to see whether they are whole: announced size and checksum. ITK asks for neither.

A single flipped bit in a packed file changes most of the voxels behind it, without an error from ITK (MetaImage: never, NRRD:
one time in ten). Memory does not grow with what is unpacked, and unpacking stops once it is more than was announced.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from medssl.core.errors import VolumeError

GZIP, ZLIB_OR_GZIP = 31, 47  # zlib's window bits, by the wrapper that is expected
READ, UNPACKED = 2**18, 2**22  # bytes at once
SPARE = 2**16  # bytes that may follow the voxels: some writers fill up blocks
MEMBER = b"\x1f\x8b"  # begins each member of a gzip file; other bytes behind one are nobody's
ANOTHER_COPY = "Take another copy of the file, from where it was first written: this one was changed on the way"


def check_stream(path: Path, start: int, size: int, bits: int, packed: int | None = None) -> None:
    """Unpack a gzip or zlib stream to its end, keeping nothing.

    Args:
        path: the file that holds it.
        start: its first byte.
        size: bytes that it was announced to hold.
        bits: GZIP (of one or several members) or ZLIB_OR_GZIP.
        packed: bytes of the stream; None: all that follow.

    Raises:
        VolumeError: damaged (CRC-32 and length of gzip, Adler-32 of zlib), cut off, or more than announced.
    """
    total = 0
    try:
        for count in _unpacked(path, start, bits, packed):
            total += count
            if total > size + SPARE:
                raise VolumeError(
                    path, f"unpacks to more than the {size:,} bytes that its header announces",
                    "Save it anew with the program that wrote it", code="image-longer",
                )  # fmt: skip
    except zlib.error as error:
        raise _changed(path, str(error).rpartition(": ")[2]) from error
    except EOFError as error:
        raise _cut(path, size, total) from error
    if total < size:
        raise _cut(path, size, total)


def _unpacked(path: Path, start: int, bits: int, packed: int | None) -> Iterator[int]:
    """Bytes of each piece.

    Raises:
        zlib.error: damaged. EOFError: it does not end.
    """
    unpacker, piece = zlib.decompressobj(bits), b""
    with path.open("rb") as file:
        file.seek(start)
        left = packed if packed is not None else path.stat().st_size
        while True:
            if not piece:
                piece = file.read(min(READ, left))
                left -= len(piece)
            count = len(unpacker.decompress(piece, UNPACKED))
            yield count
            if not unpacker.eof:
                if not piece and not count:
                    raise EOFError
                piece = unpacker.unconsumed_tail
                continue
            piece = unpacker.unused_data
            if len(piece) < len(MEMBER):
                more = file.read(min(READ, left))
                piece, left = piece + more, left - len(more)
            if bits != GZIP or not piece.startswith(MEMBER):
                return
            unpacker = zlib.decompressobj(bits)


def _changed(path: Path, what: str) -> VolumeError:
    return VolumeError(
        path, f"is damaged: its checksum does not fit its bytes ({what})", ANOTHER_COPY, code="image-checksum"
    )


def _cut(path: Path, size: int = 0, total: int = 0) -> VolumeError:
    of = f": {total:,} of the {size:,} bytes of voxels that its header announces are there" if size else ""
    return VolumeError(
        path, f"is cut off{of}", "Take another copy of the file: this one is cut off", code="image-truncated"
    )
