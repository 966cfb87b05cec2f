"""Pixels of DICOM planes in the units that the rescale tags give, with padding replaced by background."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, RLELossless
from scipy import ndimage

from medssl.core.errors import VolumeError
from medssl.images.dicom.grid import Grid
from medssl.images.dicom.header import is_dicom, numbers, refusing, text, whole
from medssl.images.dicom.planes import Plane
from medssl.images.formats.header import check_memory

AIR = (-1024, -1000)  # HU: what the background of a CT may be
RATIOS = {"RLE": 70, "JPEG ": 200, "Deflated": 1100}  # at most unpacked to packed, by the syntax's name
LARGEST_RATIO = 5000  # of JPEG-LS and JPEG 2000, which pack a black image into nothing
HARMLESS = 2**28  # bytes that may be announced whatever the ratio, where black images pack so well
NEEDED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation")
PIXELS_DAMAGED = "has no readable pixels"


def read_whole(path: Path) -> Dataset:
    """A file with its pixels, as they are stored, once its header was found to announce no more than it holds.

    Raises:
        VolumeError: no DICOM, a tag that is absent or empty, or fewer bytes than announced.
    """
    check_packed(path)
    with refusing(path, PIXELS_DAMAGED):
        image = pydicom.dcmread(path, force=is_dicom(path))
        _check_header(path, image)
    return image


def check_packed(path: Path) -> None:
    """Refuse a deflated file that would not fit into memory once it is unpacked, which pydicom does in one piece."""
    with refusing(path):
        meta = (
            pydicom.filereader.read_file_meta_info(path)
            if path.stat().st_size > 132 and _has_magic(path)
            else Dataset()
        )
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        free, unpacked = psutil.virtual_memory().available, 0
        packer = zlib.decompressobj(-zlib.MAX_WBITS)
        with path.open("rb") as file:
            file.seek(132 + 12 + int(meta.get("FileMetaInformationGroupLength") or 0))
            while (piece := file.read(2**16)) and not packer.eof:
                while piece and not packer.eof:
                    unpacked += len(packer.decompress(piece, 2**24))
                    piece = packer.unconsumed_tail
                    check_memory(path, (unpacked,), unpacked if unpacked < free // 3 else free + unpacked)


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _check_header(path: Path, image: Dataset) -> None:
    absent = [name for name in NEEDED if not text(image, name)]
    if absent:
        raise VolumeError(
            path,
            f"the tag {' and '.join(absent)} is absent or empty: the pixels cannot be read without",
            "Export the image again from the scanner or PACS",
            code="tag-missing",
        )
    if not any(name in image for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise VolumeError(
            path, "the tag PixelData is absent: there are no pixels", "Take another copy", code="tag-missing"
        )
    columns, rows, frames = (max(whole(image, name, 1), 1) for name in ("Columns", "Rows", "NumberOfFrames"))
    size = columns * rows * frames * max(whole(image, "BitsAllocated") // 8, 1)
    syntax = UID(text(getattr(image, "file_meta", image), "TransferSyntaxUID") or "1.2.840.10008.1.2")
    if size > _most_bytes(path, syntax):
        raise VolumeError(
            path,
            f"is cut off or its header is wrong: {columns} x {rows} pixels in {frames} frames are announced, the file has {path.stat().st_size:,} bytes",
            "Take another copy of the file",
            code="image-unreadable",
        )
    check_memory(path, (columns, rows, frames), size)


def _most_bytes(path: Path, syntax: UID) -> int:
    """Pixels, in bytes, that a file of this transfer syntax can hold."""
    held = path.stat().st_size
    if not (syntax.is_private or syntax.is_encapsulated or syntax.is_deflated):
        return held
    ratio = next((ratio for name, ratio in RATIOS.items() if syntax.name.startswith(name)), 0)
    if not ratio or "JPEG 2000" in syntax.name:
        return max(held * LARGEST_RATIO, HARMLESS)
    return held * ratio


def read_planes(planes: Sequence[Plane], grid: Grid, source: Path, modality: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The voxels (i, j, k) on the grid, and notes on what was padding, interpolated or straightened.

    Raises:
        VolumeError: damaged pixels, or more than the memory holds.
    """
    columns, rows = planes[0].shape
    number = max(len(planes), grid.slices)
    check_memory(source, (columns, rows, number), 4 * columns * rows * number)
    exact = all(float(value).is_integer() for plane in planes for value in plane.rescale)
    array = np.empty((columns, rows, len(planes)), np.int32 if exact else np.float32, order="F")
    padded = np.zeros(array.shape, bool, order="F")
    at = {(planes[n].path, planes[n].frame): k for k, n in enumerate(grid.order)}
    for path in dict.fromkeys(plane.path for plane in planes):
        own = sorted((plane for plane in planes if plane.path == path), key=lambda plane: plane.frame)
        for plane, (values, padding) in zip(own, _frames(path, own), strict=True):
            k = at[path, plane.frame]
            array[..., k], padded[..., k] = values, padding
    fill = background(array, padded, modality)
    changed = int(np.count_nonzero(padded & (array != fill)))
    array[padded] = fill
    notes = (f"{changed:,} voxels of padding (PixelPaddingValue) were set to {fill:g}.",) if changed else ()
    if grid.drift.any():
        array = _straighten(array, grid, fill)
    return (array if grid.even else _interpolate(array, grid)), notes


def background(array: np.ndarray, padded: np.ndarray, modality: str) -> float:
    """What stands where nothing was measured: air in a CT, else 0 or the least value if that is less."""
    least = float(array.min(where=~padded, initial=np.inf if array.dtype.kind == "f" else np.iinfo(array.dtype).max))
    return float(np.clip(least, *AIR)) if modality == "CT" else min(least, 0.0)


def _frames(path: Path, planes: Sequence[Plane]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Values (i, j) and padding of each plane of one file, in order of frames; one frame in memory at a time."""
    image = read_whole(path)
    with refusing(path, PIXELS_DAMAGED):
        for plane, frame in zip(planes, stored_frames(path, image, [plane.frame for plane in planes]), strict=True):
            if frame.shape != plane.shape[::-1]:
                raise ValueError(f"pixels of shape {frame.shape} where {plane.shape[::-1]} were announced")
            slope, intercept = plane.rescale
            stored: np.ndarray = frame.T
            values: np.ndarray
            if slope.is_integer() and intercept.is_integer() and stored.dtype.kind in "iu":
                values = stored.astype(np.int64) * int(slope) + int(intercept)
                if np.abs(values).max() > np.iinfo(np.int32).max:
                    raise ValueError(
                        f"RescaleSlope {slope:g} and RescaleIntercept {intercept:g} leave the range of values"
                    )
            else:
                values = stored * slope + intercept
            yield values, padding_of(image, stored)


def stored_frames(path: Path, image: Dataset, frames: Sequence[int]) -> Iterator[np.ndarray]:
    """The pixels (rows, columns) of these frames, as stored.

    pydicom's plugins decode what they can; SimpleITK brings a GDCM of its own that knows the rest (JPEG of 12 bits).
    """
    several = whole(image, "NumberOfFrames", 1) > 1
    syntax = UID(text(getattr(image, "file_meta", image), "TransferSyntaxUID"))
    plugin = "pydicom" if syntax == RLELossless else ""  # the faster one for RLE aborts over damaged data
    try:
        image.pixel_array_options(decoding_plugin=plugin)
        first = next(iter_pixels(image, indices=[frames[0]], decoding_plugin=plugin)) if several else image.pixel_array
    except (RuntimeError, NotImplementedError) as error:  # no plugin can; the file's structure itself is sound
        if not syntax or syntax.is_private or not syntax.is_encapsulated:
            raise
        yield from _frames_of_itk(path, image, frames, error)
        return
    yield first
    if len(frames) > 1:
        yield from iter_pixels(image, indices=list(frames[1:]), decoding_plugin=plugin)


def _frames_of_itk(path: Path, image: Dataset, frames: Sequence[int], reason: Exception) -> Iterator[np.ndarray]:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(os.fspath(path))
    try:
        array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError:
        raise reason from None
    slope, intercept = (numbers(image, name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    array = (array - (intercept[0] if intercept else 0.0)) / (
        (slope[0] if slope else 0.0) or 1.0
    )  # ITK has applied them
    yield from (np.rint(array[frame]).astype(np.int32) for frame in frames)


def padding_of(image: Dataset, stored: np.ndarray) -> np.ndarray:
    """Where stored pixels are padding: PixelPaddingValue, up to PixelPaddingRangeLimit where that stands."""
    value, limit = (text(image, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if not value or "\\" in value:
        return np.zeros(stored.shape, bool)
    ends = [_as_stored(int(float(one)), image) for one in (value, limit or value)]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, image: Dataset) -> int:
    """The padding in the pixels' own sign: some writers state -2000 of unsigned pixels, or 63536 of signed ones."""
    bits = whole(image, "BitsAllocated", 16)
    if whole(image, "PixelRepresentation"):
        return value - 2**bits if value >= 2 ** (bits - 1) else value
    return value + 2**bits if value < 0 else value


def _straighten(array: np.ndarray, grid: Grid, fill: float) -> np.ndarray:
    """Each slice moved by its drift onto the normal of the first; the plane grows, so that nothing is cut off.

    The grid's origin stays that of the first slice, moved by whole pixels (`grown`).
    """
    low, high = grown(grid)
    out = np.full((array.shape[0] + int(low[0] + high[0]), array.shape[1] + int(low[1] + high[1]), array.shape[2]), fill, array.dtype, order="F")  # fmt: skip
    pixels = grid.drift / grid.spacing[:2]
    for k in range(array.shape[2]):
        wide = np.full(out.shape[:2], fill, np.float32)
        wide[low[0] : low[0] + array.shape[0], low[1] : low[1] + array.shape[1]] = array[..., k]
        moved = ndimage.shift(wide, pixels[k], order=1, mode="constant", cval=fill)
        out[..., k] = np.rint(moved) if array.dtype.kind == "i" else moved
    return out


def grown(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Whole pixels (i, j) that straightening adds before and behind the plane."""
    pixels = grid.drift / grid.spacing[:2]
    low, high = np.ceil(np.maximum(-pixels.min(axis=0), 0)), np.ceil(np.maximum(pixels.max(axis=0), 0))
    return low.astype(np.int64), high.astype(np.int64)


def _interpolate(array: np.ndarray, grid: Grid) -> np.ndarray:
    """Every slice of the grid from the two planes beside it, linearly; planes on the grid stay as they are."""
    out = np.empty((*array.shape[:2], grid.slices), array.dtype, order="F")
    for k in range(grid.slices):
        upper = int(np.clip(np.searchsorted(grid.places, k - 1e-6), 0, len(grid.places) - 1))
        lower = upper if abs(grid.places[upper] - k) < 1e-6 or upper == 0 else upper - 1
        if lower == upper:
            out[..., k] = array[..., upper]
            continue
        weight = (k - grid.places[lower]) / (grid.places[upper] - grid.places[lower])
        between = array[..., lower] * (1 - weight) + array[..., upper] * weight
        out[..., k] = np.rint(between) if array.dtype.kind == "i" else between
    return out
