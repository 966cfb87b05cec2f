"""Slicer's segmentations (.seg.nrrd): layers, names and colours of segments, a part of the image's grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from medssl.core.errors import VolumeError
from medssl.images.formats.intake.nrrd_header import read_fields
from medssl.images.formats.segments.layers import SEGMENTATION, as_values, merge, renumbered
from medssl.images.segment_classes import COLOUR, Segment
from medssl.images.volume import Volume


def segment_fields(path: Path) -> list[dict[str, str]]:
    """The fields of each segment, Segment0 first; [] where the file is no segmentation."""
    if not path.name.lower().endswith((".nrrd", ".nhdr")):
        return []
    try:
        header, _ = read_fields(path)
    except VolumeError:
        return []  # reading the voxels will tell what is wrong
    found: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        number, _, name = key.removeprefix("Segment").partition("_")
        if key.startswith("Segment") and number.isdecimal() and name:
            found.setdefault(int(number), {})[name] = str(value)
    return [found[number] for number in sorted(found)]


def segments_of(fields: list[dict[str, str]]) -> list[Segment]:
    """Value, name, colour and terminology of each segment."""
    values = as_values(_stored(fields))
    return [
        Segment(value, f.get("Name", "").strip() or f"Segment_{value}", _colour(f), _terminology(f))
        for value, f in zip(values, fields)
    ]


def read_segmentation(path: Path) -> Volume:
    """Read a segmentation as a label map on its own grid, which may be smaller than the image's.

    Raises:
        VolumeError: damaged, or a layer that is not there.
    """
    fields = segment_fields(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise VolumeError(
            path, f"cannot be read ({reason})", "Save it anew with Slicer", code="image-unreadable"
        ) from error
    if image.GetDimension() != 3:
        raise VolumeError(
            path,
            f"is a segmentation of {image.GetDimension()} axes",
            "Save it anew with Slicer",
            code="axes-unsupported",
        )
    layers = sitk.GetArrayFromImage(image)  # (k, j, i) or (k, j, i, layer)
    layers = layers[..., None] if layers.ndim == 3 else layers
    layers = layers.transpose(2, 1, 0, 3)
    array, notes = _merged(path, layers, fields)
    direction = np.reshape(image.GetDirection(), (3, 3))
    return Volume(array, image.GetSpacing(), image.GetOrigin(), direction, SEGMENTATION, notes=tuple(notes))


def _merged(path: Path, layers: np.ndarray, fields: list[dict[str, str]]) -> tuple[np.ndarray, list[str]]:
    segments, stored = segments_of(fields), _stored(fields)
    if layers.shape[-1] == 1 and [segment.value for segment in segments] == stored:
        return layers[..., 0], []  # values that belong to no segment stay, to be met where classes are checked
    numbers = [_number(f.get("Layer", ""), n if "LabelValue" not in f else 0) for n, f in enumerate(fields)]
    if max(numbers) >= layers.shape[-1]:
        raise VolumeError(
            path,
            f"names layer {max(numbers)} and has {layers.shape[-1]}",
            "Save it anew with Slicer",
            code="image-unreadable",
        )
    array, notes = merge(layers.shape[:3], segments, lambda n: layers[..., numbers[n]] == stored[n])
    return array, renumbered(segments, stored) + notes


def _stored(fields: list[dict[str, str]]) -> list[int]:
    """The value of each segment in its layer; older files have a layer for each, in ones."""
    return [_number(f.get("LabelValue", ""), 1) for f in fields]


def _number(text: str, default: int) -> int:
    return int(text) if text.strip().isdecimal() else default


def _colour(fields: dict[str, str]) -> str:
    try:
        parts = [round(255 * min(max(float(part), 0.0), 1.0)) for part in fields.get("Color", "").split()]
    except ValueError:
        return ""
    colour = "#" + "".join(f"{part:02x}" for part in parts)
    return colour if COLOUR.fullmatch(colour) else ""


def _terminology(fields: dict[str, Any]) -> str:
    entries = (tag.partition(":") for tag in str(fields.get("Tags", "")).split("|"))
    return next((value for name, _, value in entries if name in TERMINOLOGY), "")


TERMINOLOGY = ("TerminologyEntry", "Segmentation.TerminologyEntry")
