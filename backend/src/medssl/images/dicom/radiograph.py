"""Radiographs in DICOM: presentation values, bright bone on dark air."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

from medssl.core.errors import VolumeError
from medssl.images.dicom.decoding import PIXELS_DAMAGED, read_whole, stored_frames
from medssl.images.dicom.header import refusing, text, whole
from medssl.images.dicom.kinds import colour_refused
from medssl.images.dicom.pixels import padding_of
from medssl.images.formats.guards import check_memory
from medssl.images.intensity.voi_window import unusable
from medssl.images.volume import Volume, compact


def read_radiograph(path: Path) -> Volume:
    """Read one DICOM radiograph as (i, j) = (column, row), as a viewer shows it.

    Modality LUT, then VOI LUT or the first window that can be used; MONOCHROME1 is inverted whatever the modality, so
    that more absorption is always brighter. Padding becomes the darkest value. The spacing is that of the patient's
    plane where the file knows it, else the detector's.

    Raises:
        VolumeError: damaged, coloured, or of several frames.
    """
    image = read_whole(path)
    with refusing(path, PIXELS_DAMAGED):
        if whole(image, "SamplesPerPixel", 1) != 1 or "PALETTE" in text(image, "PhotometricInterpretation"):
            raise colour_refused(path, image)
        shape = (whole(image, "Columns"), whole(image, "Rows"))
        check_memory(path, shape, 8 * shape[0] * shape[1])
        if (frames := whole(image, "NumberOfFrames", 1)) > 1:
            raise VolumeError(
                path, f"holds {frames} frames in one file", "Give one grey image per file", code="several-frames"
            )
        stored = next(stored_frames(image, [0]))
        shown, notes = _windowed(np.asarray(apply_modality_lut(stored, image)), image, padding_of(image, stored))
        if text(image, "PhotometricInterpretation") == "MONOCHROME1":
            shown = _inverse(shown, whole(image, "BitsStored"))
        shown, filled = _without_padding(shown, padding_of(image, stored))
        columns, rows = _spacing(image)
    return Volume(
        compact(shown.T), spacing=np.array([columns, rows, 1.0]), modality="CXR", name=path.stem,
        patient=text(image, "PatientID"), notes=(*notes, *filled),
    )  # fmt: skip


def _windowed(values: np.ndarray, image: Dataset, padded: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values through the VOI LUT or the first window that can be used, else as they are, with notes."""
    real = values[~padded] if padded.any() and not padded.all() else values
    if image.get("VOILUTSequence"):
        try:
            shown = np.asarray(apply_voi(values, image))
            if np.ptp(shown) > 0:
                return shown, ()
            reason = "leaves one value only"
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError) as error:
            reason = f"cannot be used ({error})"
        return values, (f"The VOI LUT {reason}: it was ignored.",)
    windows, odd = _windows(image)
    notes = [odd] if odd else []
    for n, (center, width) in enumerate(windows):
        if reason := unusable(center, width, real, text(image, "VOILUTFunction")):
            notes.append(f"The window {center:g} / {width:g} (centre / width) {reason}: it was ignored.")
            continue
        if len(windows) > 1:
            notes.append(f"Of {len(windows)} windows in the file, {center:g} / {width:g} (centre / width) was taken.")
        image.WindowCenter, image.WindowWidth = [c for c, _ in windows], [w for _, w in windows]
        return np.asarray(apply_windowing(values, image, index=n)), tuple(notes)
    return values, tuple(notes)


def _windows(image: Dataset) -> tuple[list[tuple[float, float]], str]:
    """Pairs of centre and width; a note where there are centres without widths, or words."""
    centers, widths = (_floats(text(image, name)) for name in ("WindowCenter", "WindowWidth"))
    if centers is None or widths is None or len(centers) != len(widths):
        pairs = list(zip(centers or [], widths or []))
        rest = "only whole pairs count" if pairs else "they were ignored"
        return pairs, f"The window's centres and widths are no pairs of numbers: {rest}."
    return list(zip(centers, widths)), ""


def _floats(stated: str) -> list[float] | None:
    try:
        return [float(part) for part in stated.split("\\")] if stated else []
    except ValueError:
        return None


def _inverse(shown: np.ndarray, bits: int) -> np.ndarray:
    """Dark for bright: about all that the bits can hold, so that 8-bit images keep their scale, else about the extremes."""
    low, high = float(shown.min()), float(shown.max())
    ends = 2**bits - 1 if low >= 0 and high < 2**bits else low + high
    return ends - shown.astype(np.float64)


def _without_padding(shown: np.ndarray, padded: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Padding as dark as the darkest pixel that was exposed."""
    if not padded.any() or padded.all():
        return shown, ()
    darkest = shown[~padded].min()
    changed = int(np.count_nonzero(shown[padded] != darkest))
    note = f"{changed:,} pixels of padding (PixelPaddingValue) were set to the darkest value."
    return np.where(padded, darkest, shown), (note,) if changed else ()


def _spacing(image: Dataset) -> tuple[float, float]:
    """Of (columns, rows) in mm; 1 where the file does not know it (some say 0)."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        stated = _floats(text(image, name)) or []
        if len(stated) == 2 and all(0 < one < 1e6 for one in stated):
            return stated[1], stated[0]
    return 1.0, 1.0
