"""Radiographs in DICOM: presentation values, bright bone on dark air."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from medssl.core.errors import VolumeError
from medssl.images.formats.header import check_memory
from medssl.images.volume import Volume, compact


def read_radiograph(path: Path) -> Volume:
    """Read one DICOM radiograph as (i, j) = (column, row), as a viewer shows it.

    Modality LUT, then VOI LUT or window; MONOCHROME1 is inverted, so that more absorption is always brighter. The
    spacing is that of the patient's plane where the file knows it, else the detector's.

    Raises:
        VolumeError: damaged, coloured, or of several frames.
    """
    try:
        image = pydicom.dcmread(path)
        shape = (int(image.Columns), int(image.Rows))
        check_memory(path, shape, 8 * shape[0] * shape[1])
        pixels = image.pixel_array
        shown = apply_voi_lut(apply_modality_lut(pixels, image), image)
    except (InvalidDicomError, AttributeError, RuntimeError, NotImplementedError, EOFError) as error:
        raise VolumeError(
            path, f"has no readable pixels ({error})", "Take another copy of the file", code="image-unreadable"
        ) from error
    except ValueError as error:
        if isinstance(error, VolumeError):
            raise
        raise VolumeError(
            path, f"has no readable pixels ({error})", "Take another copy: this one is cut off", code="image-unreadable"
        ) from error
    if pixels.ndim != 2:
        raise VolumeError(path, f"holds pixels of shape {pixels.shape}", "Give one grey image per file")
    if image.get("PhotometricInterpretation", "") == "MONOCHROME1":
        shown = _inverse(shown, int(image.BitsStored))
    rows, columns = _spacing(image)
    return Volume(
        compact(np.asarray(shown).T), spacing=np.array([columns, rows, 1.0]),
        modality="CXR", name=path.stem, patient=str(image.get("PatientID", "")),
    )  # fmt: skip


def _inverse(shown: np.ndarray, bits: int) -> np.ndarray:
    """Dark for bright: about all that the bits can hold, so that 8-bit images keep their scale, else about the extremes."""
    low, high = float(shown.min()), float(shown.max())
    ends = 2**bits - 1 if low >= 0 and high < 2**bits else low + high
    return ends - shown.astype(np.float64)


def _spacing(image: Dataset) -> tuple[float, float]:
    """Of (rows, columns) in mm; 1 where the file does not know it (some say 0)."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        stated = [float(s) for s in image.get(name) or ()]
        if len(stated) == 2 and min(stated) > 0:
            return stated[0], stated[1]
    return 1.0, 1.0
