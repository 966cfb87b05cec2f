"""DICOM: a folder as one series of slices, a file as a slice. Radiographs are in `radiograph`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from medssl.core.errors import VolumeError
from medssl.images.formats.dicom_header import RADIOGRAPHS, is_dicom
from medssl.images.formats.dicom_radiograph import read_radiograph
from medssl.images.formats.header import check_memory
from medssl.images.volume import Volume, compact

PIXEL_ERRORS = (
    AttributeError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    EOFError,
)  # what pydicom's decoders raise
TOLERANCE = 0.01  # of the slice distance, plus as many mm for positions that were rounded in the file


def read_file(path: Path) -> Volume:
    """Read one DICOM file: a radiograph as (i, j), any other image as a volume of one slice.

    Raises:
        VolumeError: damaged, coloured, or of several frames.
    """
    header = _read_header(path)
    return read_radiograph(path) if header.get("Modality", "") in RADIOGRAPHS else _stack([(path, header)], path)


def read_series(folder: Path) -> Volume:
    """Read the one series in a folder, sorted by position, in the units that the rescale tags give (HU for CT).

    Raises:
        VolumeError: no DICOM, several series, a missing or doubled slice, differing sizes or orientations, tilted gantry.
    """
    files = sorted(path for path in folder.iterdir() if is_dicom(path))
    slices = [(path, header) for path in files for header in [_read_header(path)] if "Rows" in header]
    if not slices:
        raise VolumeError(
            folder, "holds no DICOM images", "Choose the folder that holds the slices of one series", code="no-dicom"
        )
    series = Counter((header.get("SeriesInstanceUID", ""), header.get("SeriesDescription", "")) for _, header in slices)
    if len({uid for uid, _ in series}) > 1:
        listed = ", ".join(f"{description or uid} ({count} images)" for (uid, description), count in series.items())
        raise VolumeError(
            folder, f"mixes {len(series)} series: {listed}", "Give each series a folder of its own", code="series-mixed"
        )
    if len(slices) == 1 and slices[0][1].get("Modality", "") in RADIOGRAPHS:
        return read_radiograph(slices[0][0])
    return replace(_stack(slices, folder), name=folder.name)


def read_files(files: list[Path], source: Path) -> Volume:
    """Read the files of one series, in any folders, as one volume; `source` names it in messages.

    Raises:
        VolumeError: see `read_series`.
    """
    slices = [(path, _read_header(path)) for path in files]
    if len(slices) == 1 and slices[0][1].get("Modality", "") in RADIOGRAPHS:
        return read_radiograph(files[0])
    return _stack(slices, source)


def _read_header(path: Path) -> Dataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, *PIXEL_ERRORS) as error:
        raise VolumeError(
            path, f"is no readable DICOM file ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error


def _stack(slices: list[tuple[Path, Dataset]], source: Path) -> Volume:
    first = slices[0][1]
    _check_alike(slices, source)
    shape = (int(first.Columns), int(first.Rows), len(slices))
    check_memory(source, shape, 4 * shape[0] * shape[1] * shape[2])
    axes = np.reshape(np.asarray(first.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0]), dtype=np.float64), (2, 3))
    normal = np.cross(axes[0], axes[1])
    positions = np.asarray(
        [header.get("ImagePositionPatient", [0, 0, 0]) for _, header in slices], dtype=np.float64
    )  # (k, 3)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    distance = (
        _check_positions(positions, normal, source) if len(slices) > 1 else float(first.get("SliceThickness") or 1.0)
    )
    rows, columns = (float(s) for s in first.get("PixelSpacing", [1.0, 1.0]))
    array = np.stack([_read_pixels(slices[n][0]) for n in order], axis=-1)
    return Volume(
        compact(array),
        spacing=np.array([columns, rows, distance]), origin=positions[0], direction=np.stack([axes[0], axes[1], normal], axis=1),
        modality=str(first.get("Modality", "")), name=source.stem, patient=str(first.get("PatientID", "")),
    )  # fmt: skip


def _check_alike(slices: list[tuple[Path, Dataset]], source: Path) -> None:
    sizes = Counter((int(h.Columns), int(h.Rows)) for _, h in slices)
    if len(sizes) > 1:
        listed = ", ".join(f"{count} of {c}x{r}" for (c, r), count in sizes.items())
        raise VolumeError(
            source,
            f"holds images of several sizes: {listed}",
            "Remove the localiser images or split the series",
            code="slice-sizes-differ",
        )
    for path, header in slices:
        if int(header.get("NumberOfFrames") or 1) > 1:
            raise VolumeError(
                path,
                f"holds {header.NumberOfFrames} frames in one file",
                "Load it in Slicer and save it as NRRD",
                code="several-frames",
            )
        if int(header.get("SamplesPerPixel", 1)) != 1:
            raise VolumeError(path, "is a colour image", "Give grey images", code="colour-image")
    orientation = np.asarray(
        [h.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0]) for _, h in slices], dtype=np.float64
    )
    if np.abs(orientation - orientation[0]).max() > 1e-3:
        raise VolumeError(
            source,
            "holds images of several orientations",
            "Remove the localiser images or split the series",
            code="slice-orientations-differ",
        )


def _check_positions(positions: np.ndarray, normal: np.ndarray, source: Path) -> float:
    """Distance of neighbouring slices; `positions` (k, 3) are sorted along `normal`."""
    heights = positions @ normal
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if gaps.min() < 1e-3:
        n = int(gaps.argmin())
        raise VolumeError(
            source,
            f"has two slices at {heights[n]:g} mm",
            "Remove the copies, or split repeated acquisitions",
            code="slice-repeated",
        )
    n = int(np.abs(gaps - usual).argmax())
    if abs(gaps[n] - usual) > TOLERANCE * usual + TOLERANCE:
        raise VolumeError(
            source,
            f"lacks slices: those at {heights[n]:g} and {heights[n + 1]:g} mm are {gaps[n]:g} mm apart, the others {usual:g} mm",
            "Export the series again, complete and evenly spaced",
            code="slice-spacing-irregular",
        )
    drift = positions[-1] - positions[0] - normal * (heights[-1] - heights[0])
    if np.linalg.norm(drift) > TOLERANCE * (heights[-1] - heights[0]) + 0.5:
        raise VolumeError(
            source,
            "was taken with a tilted gantry",
            "Load it in Slicer, which straightens it, and save it as NRRD",
            code="gantry-tilted",
        )
    return float(gaps.mean())


def _read_pixels(path: Path) -> np.ndarray:
    """One slice (i, j) in rescaled units; whole slope and intercept keep integers."""
    try:
        image = pydicom.dcmread(path)
        stored = image.pixel_array.T
    except PIXEL_ERRORS as error:
        raise VolumeError(
            path,
            f"has no readable pixels ({error})",
            "Take another copy: this one is cut off or packed in an unknown way",
            code="image-unreadable",
        ) from error
    slope, intercept = float(image.get("RescaleSlope", 1) or 1), float(image.get("RescaleIntercept", 0) or 0)
    if slope.is_integer() and intercept.is_integer():
        return (stored.astype(np.int32) * int(slope) + int(intercept)).astype(np.int32)
    return (stored * slope + intercept).astype(np.float32)
