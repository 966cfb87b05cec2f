"""Pixels of one DICOM file as they are stored, by a decoder that survives damaged data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder, iter_pixels
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from medssl.core.errors import VolumeError
from medssl.images.dicom.header import check_packed, is_dicom, refusing, text, whole
from medssl.images.dicom.packed_frames import check_frames
from medssl.images.formats.guards import check_memory

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
        if not text(getattr(image, "file_meta", image), "TransferSyntaxUID"):  # a file without preamble
            implicit, little = image.original_encoding
            image.file_meta = FileMetaDataset()
            image.file_meta.TransferSyntaxUID = (
                ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            )
        if not text(image, "SamplesPerPixel"):
            image.SamplesPerPixel = 1
        _check_header(path, image)
    return image


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
    check_frames(path, image, syntax)


def _most_bytes(path: Path, syntax: UID) -> int:
    """Pixels, in bytes, that a file of this transfer syntax can hold."""
    held = path.stat().st_size
    if not (syntax.is_private or syntax.is_encapsulated or syntax.is_deflated):
        return held
    ratio = next((ratio for name, ratio in RATIOS.items() if syntax.name.startswith(name)), 0)
    if not ratio or "JPEG 2000" in syntax.name:
        return max(held * LARGEST_RATIO, HARMLESS)
    return held * ratio


def stored_frames(image: Dataset, frames: Sequence[int]) -> Iterator[np.ndarray]:
    """The pixels (rows, columns) of these frames, as stored, one after another.

    RLE by pydicom, JPEG of 8 bits by Pillow, JPEG 2000 by OpenJPEG; lossless JPEG, JPEG-LS and JPEG of 12 bits by the
    GDCM inside SimpleITK, which, unlike others, neither aborts over damaged data nor has a licence that spreads.
    """
    syntax = UID(text(getattr(image, "file_meta", image), "TransferSyntaxUID"))
    plugin = _plugin(syntax, whole(image, "BitsStored"))
    if plugin is None:
        yield from _frames_of_itk(image, syntax, frames)
    elif whole(image, "NumberOfFrames", 1) > 1:
        yield from iter_pixels(image, indices=list(frames), decoding_plugin=plugin)
    else:
        image.pixel_array_options(decoding_plugin=plugin)
        yield image.pixel_array


def _plugin(syntax: UID, bits: int) -> str | None:
    """pydicom's name of the decoder; "" where there is nothing to unpack, None for SimpleITK."""
    if not syntax or syntax.is_private or not syntax.is_encapsulated:
        return ""
    if syntax == RLELossless:
        return "pydicom"
    if syntax in JPEG2000TransferSyntaxes or syntax.name.startswith("High-Throughput"):
        return "pylibjpeg" if "pylibjpeg" in get_decoder(syntax).available_plugins else None
    if syntax == JPEGBaseline8Bit or (syntax == JPEGExtended12Bit and bits <= 8):
        return "pillow"
    return None


def _frames_of_itk(image: Dataset, syntax: UID, frames: Sequence[int]) -> Iterator[np.ndarray]:
    """Each frame as a file of its own with no more than its pixels, so that nothing else in the header matters."""
    number = max(whole(image, "NumberOfFrames", 1), 1)
    wanted = set(frames)
    with tempfile.TemporaryDirectory() as folder:
        for n, packed in enumerate(generate_frames(image.PixelData, number_of_frames=number)):
            if n in wanted:
                yield _decode_with_itk(image, syntax, packed, Path(folder) / "frame.dcm")


def _decode_with_itk(image: Dataset, syntax: UID, packed: bytes, path: Path) -> np.ndarray:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    frame = Dataset()
    frame.file_meta = meta
    frame.SOPClassUID, frame.SOPInstanceUID, frame.Modality = SecondaryCaptureImageStorage, "1.2.3", "OT"
    frame.SamplesPerPixel, frame.PhotometricInterpretation = 1, "MONOCHROME2"
    for name in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(frame, name, whole(image, name, whole(image, "BitsStored") - 1))
    frame.PixelData = encapsulate([packed])
    frame["PixelData"].VR, frame["PixelData"].is_undefined_length = "OB", True
    frame.save_as(path, enforce_file_format=True)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    return sitk.GetArrayFromImage(reader.Execute())[0]
