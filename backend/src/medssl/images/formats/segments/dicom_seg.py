"""DICOM SEG (binary, fractional, label map) through highdicom, and which DICOM files are labels at all."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from medssl.core.errors import VolumeError
from medssl.images.formats.guards import check_memory
from medssl.images.formats.segments.layers import SEGMENTATION, merge
from medssl.images.segment_classes import Segment
from medssl.images.volume import Volume

HALF = 0.5  # of full occupancy or probability: from here on a voxel belongs to a fractional segment
ERRORS = (
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
)
TAGS = ["Modality", "SegmentSequence", "StructureSetROISequence"]


def labels_file(path: Path) -> Path | None:
    """The DICOM file of segments or structures that a path stands for: itself, or the only such file in a folder."""
    files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    found = [file for file in files if file.is_file() and kind_of_labels(file)]
    return found[0] if len(found) == 1 else None


def kind_of_labels(path: Path) -> str:
    """SEG or RTSTRUCT; "" for any other file."""
    try:
        modality = str(pydicom.dcmread(path, specific_tags=["Modality"], stop_before_pixels=True).get("Modality", ""))
    except (InvalidDicomError, *ERRORS):
        return ""
    return modality if modality in ("SEG", "RTSTRUCT") else ""


def segments_of(image: Dataset) -> list[Segment]:
    """Number and label of each segment of a SEG, in the file's order."""
    return [
        Segment(int(item.SegmentNumber), str(item.get("SegmentLabel", "")).strip() or f"Segment_{item.SegmentNumber}")
        for item in image.get("SegmentSequence") or ()
        if int(item.SegmentNumber) > 0
    ]


def read_segments(path: Path) -> Volume:
    """Read a DICOM SEG as a label map on its own grid, which may be smaller than the image's; values are segment numbers.

    Raises:
        VolumeError: damaged, segments that lie on no regular grid, or more of them than memory holds.
    """
    import highdicom  # half a second, which only this format costs

    notes: list[str] = []
    try:
        image = highdicom.seg.segread(path)
        segments = segments_of(image)
        labelmap = str(image.SegmentationType) == "LABELMAP"
        grid = image.get_volume_geometry()
        if grid is not None and not labelmap:  # all segments side by side, which files hold much smaller
            shape, size = (*grid.spatial_shape, len(segments)), 4 if str(image.SegmentationType) == "FRACTIONAL" else 1
            check_memory(path, shape, math.prod(shape) * size)
        found = image.get_volume(combine_segments=labelmap, rescale_fractional=True)
    except VolumeError:
        raise
    except (InvalidDicomError, *ERRORS) as error:
        raise VolumeError(
            path,
            f"cannot be read as segments ({error})",
            "Load it in Slicer and save it as .seg.nrrd",
            code="image-unreadable",
        ) from error
    if labelmap:
        array = found.array.transpose(2, 1, 0)
    else:
        layers = found.array.transpose(2, 1, 0, 3)  # (i, j, k, segment), 0...1
        array, notes = merge(layers.shape[:3], segments, lambda n: layers[..., n] >= HALF)
    steps = np.asarray(found.affine)[:3, 2::-1]  # highdicom's axes are k, j, i, in LPS
    spacing = np.linalg.norm(steps, axis=0)
    return Volume(
        array, spacing, found.affine[:3, 3], steps / spacing, SEGMENTATION,
        patient=str(image.get("PatientID", "")), notes=tuple(notes),
    )  # fmt: skip
