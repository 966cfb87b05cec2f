"""PNG and JPEG: upright, grey, in their own depth."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from medssl.core.errors import VolumeError
from medssl.images.formats.guards import Header
from medssl.images.volume import Volume

GREY_TOLERANCE = 2  # levels of 255 between the channels of a grey image: JPEG rounds them apart
ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # of (rows, columns), by that tag's value
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}
PNG = b"\x89PNG\r\n\x1a\n"
GREY_AND_OPACITY, RGBA = 4, 6  # PNG's colour types
ERRORS = (OSError, SyntaxError, ValueError, RuntimeError, struct.error, OverflowError, KeyError, IndexError, TypeError)


def inspect_picture(path: Path) -> Header:
    """What a PNG or JPEG announces.

    Raises:
        VolumeError: no such header.
    """
    try:
        with Image.open(path) as picture:
            return Header(picture.size, picture.width * picture.height * 8)
    except (*ERRORS, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def read_picture(path: Path, labels: bool = False) -> Volume:
    """Read a PNG or JPEG as (column, row); a grey image in colour channels is grey, transparency is dropped.

    Args:
        path: the file.
        labels: whether a palette's numbers are meant, its colours only showing them, and of grey of two or four bits the numbers
            that the file holds, which as grey values are 85 or 17 times as high.

    Raises:
        VolumeError: damaged, too large, or a photograph.
    """
    try:
        with Image.open(path) as picture:
            array = _deep(path) if _is_deep_colour(path) else _pixels(picture, labels)
            array = array // _stretched(path) if labels and array.ndim == 2 else array
            orientation = picture.getexif().get(ORIENTATION, 1)
    except (*ERRORS, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    notes: tuple[str, ...] = ()
    if orientation in UPRIGHT:
        array = UPRIGHT[orientation](array)
        notes = (f"The picture was turned upright as its EXIF orientation {orientation} says",)
    return Volume(np.ascontiguousarray(_grey(array, path)).T, notes=notes)


def _pixels(picture: Image.Image, labels: bool) -> np.ndarray:
    if picture.mode in ("LA", "La", "1"):
        picture = picture.convert("L")
    elif (
        picture.mode == "PA"
        or (picture.mode == "P" and not labels)
        or picture.mode in ("RGBA", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
    ):
        picture = picture.convert("RGB")
    return np.asarray(picture).copy()


def _is_deep_colour(path: Path) -> bool:
    """A PNG of 16 bits with several channels, of which Pillow keeps eight bits."""
    with path.open("rb") as file:
        start = file.read(26)
    return start[:8] == PNG and start[24:25] == b"\x10" and start[25:26] in (b"\x02", b"\x04", b"\x06")


def _stretched(path: Path) -> int:
    """By how much Pillow multiplies the numbers of a grey PNG of two or four bits; 1 of any other picture."""
    with path.open("rb") as file:
        start = file.read(26)
    grey = start[:8] == PNG and start[25:26] == b"\0"
    return {b"\2": 85, b"\4": 17}.get(start[24:25], 1) if grey else 1


def _deep(path: Path) -> np.ndarray:
    """(rows, columns) or (rows, columns, 3), without transparency."""
    data = bytearray(path.read_bytes())
    if data[25] != GREY_AND_OPACITY:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :3]
    # SimpleITK has no such pixel, but four bytes are four bytes: called 8-bit RGBA, the first two are the grey
    data[24], data[25] = 8, RGBA
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with Image.open(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture).astype(np.uint16)
    return pixels[..., 0] << 8 | pixels[..., 1]


def _grey(array: np.ndarray, path: Path) -> np.ndarray:
    if array.ndim == 2:
        return array
    colours = array[..., :3]
    tolerance = GREY_TOLERANCE if array.dtype == np.uint8 else GREY_TOLERANCE / 255 * float(np.ptp(colours))
    if np.ptp(colours, axis=-1).max() > tolerance:
        raise VolumeError(
            path, "is a colour picture", "Give a grey image: a radiograph has no colours", code="colour-image"
        )
    return np.median(colours, axis=-1).astype(array.dtype)


def _unreadable(path: Path, error: Exception) -> VolumeError:
    return VolumeError(path, f"cannot be read ({error})", "Take another copy of the file", code="image-unreadable")
