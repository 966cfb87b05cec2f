"""Planes: the slices of DICOM files and the frames of enhanced multi-frame files, as one and the same thing."""

from __future__ import annotations

import sys
from collections.abc import Sequence as Several
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medssl.core.errors import VolumeError
from medssl.images.dicom.header import numbers, text, whole

# What tells several images of one place apart, from the most telling to the least. Times come last, because some
# scanners state another one for each slice. Enhanced files have names of their own for some.
PHASE_TAGS = (
    "TemporalPositionIdentifier", "TemporalPositionIndex", "AcquisitionNumber", "FrameAcquisitionNumber", "EchoTime", "EffectiveEchoTime",
    "EchoNumbers", "DiffusionBValue", "DiffusionGradientOrientation", "DiffusionDirectionality", "InversionTime", "InversionTimes", "FlipAngle",
    "NominalPercentageOfCardiacPhase", "ActualCardiacTriggerDelayTime", "KVP", "ConvolutionKernel", "SliceThickness", "ImageType", "FrameType",
    "ContrastBolusAgent", "ContrastBolusAgentPhase", "ImageComments", "TriggerTime", "FrameReferenceTime", "AcquisitionTime", "AcquisitionDateTime", "FrameAcquisitionDateTime",
    "SeriesTime", "ContentTime",
)  # fmt: skip
PLANE_TAGS = (
    "Rows", "Columns", "NumberOfFrames", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "RescaleSlope", "RescaleIntercept", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", *PHASE_TAGS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plane:
    """One image plane: where it lies, what its pixels mean, and what may tell it from others at the same place."""

    path: Path
    frame: int  # in its file, from 0
    shape: tuple[int, int]  # columns, rows
    orientation: tuple[float, ...] | None  # the unit vectors of i and j in LPS; None where the file does not say
    position: tuple[float, ...] | None  # mm, LPS
    spacing: tuple[float, float] | None  # mm, between columns (along i) and between rows (along j)
    decimals: tuple[int, ...]  # digits after the point in the texts of the position: how each was rounded
    axis_decimals: int  # the most of them in the orientation
    distance: float  # mm to the next slice, as SpacingBetweenSlices or SliceThickness states it; 0 where neither does
    stack: str  # StackID of an enhanced file
    number: tuple[int, int]  # InstanceNumber, frame
    marks: tuple[str, ...]  # the values of PHASE_TAGS
    rescale: tuple[float, float]  # slope, intercept


def planes_of(path: Path, header: Dataset) -> list[Plane]:
    """The plane of a slice, or those of an enhanced multi-frame file, from its functional groups.

    Raises:
        VolumeError: several frames that no functional group places.
        ValueError: a tag whose value is none.
    """
    groups = header.get("PerFrameFunctionalGroupsSequence")
    frames = max(whole(header, "NumberOfFrames", 1), 1)
    if not isinstance(groups, Sequence) or not len(groups):
        if frames > 1:
            raise VolumeError(
                path,
                f"holds {frames} frames in one file, and no PerFrameFunctionalGroupsSequence places them",
                "Load it in Slicer and save it as NRRD",
                code="several-frames",
            )
        return [_plane(path, header, header, 0)]
    if len(groups) < frames:
        raise ValueError(f"PerFrameFunctionalGroupsSequence places {len(groups)} of {frames} frames")
    shared = header.get("SharedFunctionalGroupsSequence")
    common = Dataset()
    if isinstance(shared, Sequence) and len(shared):
        _flatten(shared[0], common)
    planes = []
    for frame in range(frames):
        own = Dataset()
        own.update(common)
        _flatten(groups[frame], own)
        planes.append(_plane(path, header, own, frame))
    return planes


def _flatten(group: Dataset, into: Dataset, depth: int = 0) -> None:
    """The elements of a functional group's macros, without the sequences of one item that they are packed in."""
    for element in group:
        if element.VR != "SQ":
            into[element.tag] = element
        elif depth < 3 and element.value and isinstance(element.value, Sequence):
            _flatten(element.value[0], into, depth + 1)


def _plane(path: Path, header: Dataset, own: Dataset, frame: int) -> Plane:
    """`own` holds what is stated of this frame, `header` what is stated of the file; a slice has both in one."""
    spacing = numbers(own, "PixelSpacing", 2)
    between = numbers(own, "SpacingBetweenSlices", 1) or numbers(header, "SpacingBetweenSlices", 1)
    thickness = numbers(own, "SliceThickness", 1)
    slope, intercept = numbers(own, "RescaleSlope", 1), numbers(own, "RescaleIntercept", 1)
    marks = (text(own, name) or ("" if own is header else text(header, name)) for name in PHASE_TAGS)
    return Plane(
        path=path,
        frame=frame,
        shape=(whole(header, "Columns"), whole(header, "Rows")),
        orientation=numbers(own, "ImageOrientationPatient", 6),
        position=numbers(own, "ImagePositionPatient", 3),
        spacing=(spacing[1], spacing[0]) if spacing else None,
        decimals=_decimals(text(own, "ImagePositionPatient")),
        axis_decimals=max(_decimals(text(own, "ImageOrientationPatient")), default=0),
        distance=next((abs(one[0]) for one in (between, thickness) if one), 0.0),
        stack=sys.intern(text(own, "StackID")),
        number=(whole(header, "InstanceNumber"), frame),
        marks=tuple(sys.intern(mark) for mark in marks),
        rescale=(slope[0] if slope and slope[0] else 1.0, intercept[0] if intercept else 0.0),
    )


def _decimals(stated: str) -> tuple[int, ...]:
    """Digits after the point of each number in a text, without trailing zeros: writers add and drop them."""
    exponents = [Decimal(part).normalize().as_tuple().exponent for part in stated.split("\\") if part]
    return tuple(max(-one, 0) if isinstance(one, int) else 0 for one in exponents)


def rounding_of(planes: Several[Plane]) -> np.ndarray:
    """(3,): half a step of the digits that x, y and z are stated with (mm)."""
    return 0.5 * 10.0 ** -np.max([plane.decimals for plane in planes], axis=0).astype(np.float64)


def axis_decimals(planes: Several[Plane]) -> int:
    return min(max(plane.axis_decimals for plane in planes) or 6, 6)  # ones and zeros alone are not rounded
