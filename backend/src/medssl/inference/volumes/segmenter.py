"""Segmentation of whole images by a fine-tuned network: a label map with the image's geometry, whatever the image's size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from medssl.core.capabilities import SEGMENT
from medssl.core.errors import ConfigError, VolumeError
from medssl.core.plan import Plan
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.model_window import intensity_window
from medssl.images.planes import HOW, is_flat
from medssl.images.radiograph import as_radiograph, resized
from medssl.images.segment_classes import SegmentClasses
from medssl.images.volume import Volume
from medssl.inference.capabilities import require
from medssl.inference.volumes.slabs import class_numbers
from medssl.inference.volumes.sliding import image_slabs, mirrored_axes, reader
from medssl.networks.network import Network

MARGIN = 8 / 7  # a radiograph's short side over that of the network's window, as in training
OTHER_SPACING = 1.5  # times the spacing of training, either way: worth a note
COLUMNS = ("class", "value", "colour", "voxels", "volume_ml", "area_cm2")

Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """What a segmentation found.

    Attributes:
        labels: the values of the classes, uint8 or int16, where the image lies; of a radiograph two axes.
        source: the image, or the 2D image that a view made of it.
        table: a row per class: class, value, colour, voxels, volume_ml (3D), area_cm2 (2D with known spacing).
        segments: what each value means, see `SegmentClasses.as_list`.
        notes: what the user should know.
    """

    labels: Volume
    source: Volume
    table: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    notes: tuple[str, ...]


def segment_image(
    volume: Volume,
    net: Network,
    overlap: float | None = None,
    mirror: bool = False,
    progress: Progress | None = None,
    out: np.ndarray | None = None,
    view: str = "",
    inverted: bool = False,
) -> SegmentedImage:
    """Label every voxel of a volume, or pixel of a radiograph.

    Memory beyond the image, its label map and the network's own is that of a window's depth of logits.

    Args:
        volume: in stored units; normalised under the rule the model was trained with.
        net: a segmentation network with its plan.
        overlap: of neighbouring windows, 0...0.9; None: as the model was trained.
        mirror: average over mirrored images, even where the model was not trained to.
        progress: called with (fraction, message); may raise CancelledError.
        out: takes the labels, (i, j, k) of any integer type (a memory-mapped file, say); None: a new array.
        view: how a 3D volume becomes 2D, for a model of radiographs.
        inverted: high values of a radiograph are dark.

    Raises:
        WeightsError: a model of another task.
        VolumeError: a 2D image where the model needs volumes or the other way round, or a constant one.
        InputError: an image of another modality than the model's.
        ConfigError: an overlap out of range.
    """
    plan, task = check_segmenter(net), net.plan.task
    overlap = float(task.get("overlap", 0.25)) if overlap is None else overlap
    if not 0 <= overlap <= 0.9:
        raise ConfigError(
            f"overlap = {overlap}", "must be 0 to 0.9", "0.25 is a good start", code="setting-out-of-range"
        )
    mirror = mirror or bool(task.get("mirror"))
    classes = SegmentClasses.from_list(task["segments"])
    report = progress or (lambda fraction, message: None)
    windows = _Windows(
        net, tuple(plan.input_size), overlap, mirror, lambda n, of: report(n / of, f"{n} of {of} windows")
    )
    if view or is_flat(volume.shape):
        source, numbers, notes = _radiograph(volume, plan, windows, view, inverted)
        labels = classes.values_of(numbers)
    else:
        source, notes = volume, _spacing_notes(volume, plan)
        labels = _slices(volume, plan, windows, classes, out)
    if task.get("largest_component"):
        report(1.0, "keeping the largest part of each class")
        keep_largest(labels, classes.values)
    table = _table(labels, classes, source)
    if not any(row["voxels"] for row in table):
        notes = (*notes, "Nothing was found: every voxel is background")
    result = replace(source, array=labels, modality="LABEL")
    return SegmentedImage(result, source, table, classes.as_list(), notes)


@dataclass(frozen=True)
class _Windows:
    """How the network is moved over an image."""

    net: Network
    size: tuple[int, ...]
    overlap: float
    mirror: bool
    progress: Callable[[int, int], None]

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def over(self, read: Callable[[int, int], Tensor], shape: Sequence[int], axes: int) -> Any:
        mirrored = mirrored_axes(len(self.size), axes) if self.mirror else ()
        return image_slabs(read, shape, self.net, self.size, self.overlap, mirrored, progress=self.progress)


def check_segmenter(net: Network) -> Plan:
    """The plan of a model that segments.

    Raises:
        WeightsError: a model of another task.
    """
    require(net.plan, SEGMENT)
    return net.plan


def _slices(
    volume: Volume, plan: Plan, windows: _Windows, classes: SegmentClasses, out: np.ndarray | None
) -> np.ndarray:
    """The labels of a volume, slab by slab."""
    if plan.modality == "CXR":
        raise VolumeError(
            f"{volume.name or 'volume'} of shape {volume.shape}",
            "is 3D where the model sees radiographs",
            HOW,
            code="not-2d",
        )
    bounds, context = intensity_window(volume, plan), int(plan.task.get("context", 0))
    read = reader(volume.array, windows.device, bounds, context)
    kind = classes.values_of(np.zeros(1, np.uint8)).dtype
    labels = np.empty(volume.shape, kind, order="F") if out is None else out  # as files have it: slice after slice
    for first, logits in windows.over(read, volume.shape, 3):
        numbers = class_numbers(logits)
        labels[:, :, first : first + numbers.shape[2]] = classes.values_of(numbers)
    return labels


def _radiograph(
    volume: Volume, plan: Plan, windows: _Windows, view: str, inverted: bool
) -> tuple[Volume, np.ndarray, tuple[str, ...]]:
    """The 2D image, class numbers (column, row) of each of its pixels, and notes.

    What lies inside the image's uniform borders is brought to the size of training; its logits come back by interpolation.
    """
    if len(windows.size) != 2 or plan.task.get("context"):
        raise VolumeError(f"{volume.name or 'image'} of shape {volume.shape}", "is 2D where the model needs a volume",
                          "Choose a volume", code="not-3d")  # fmt: skip
    image = as_radiograph(volume, view, inverted, NormalisationConfig(**plan.normalisation))
    scaled = np.ascontiguousarray(resized(image.pixels, round(min(windows.size) * MARGIN)).T)[..., None]
    found = torch.cat(
        [logits.clone() for _, logits in windows.over(reader(scaled, windows.device), scaled.shape, 2)], dim=3
    )
    rows, columns = image.pixels.shape
    logits = functional.interpolate(found[None, ..., 0], (columns, rows), mode="bilinear", align_corners=False)[0]
    numbers = np.zeros(image.volume.shape, np.uint8)  # what was left out is background
    inside = slice(image.x0, image.x0 + columns), slice(image.y0, image.y0 + rows)
    numbers[inside] = class_numbers(logits[..., None])[..., 0]
    return image.volume, numbers, image.notes


def _spacing_notes(volume: Volume, plan: Plan) -> tuple[str, ...]:
    learnt = np.asarray(plan.task.get("spacing") or volume.spacing, float)
    ratio = volume.spacing / learnt
    if (ratio < OTHER_SPACING).all() and (ratio > 1 / OTHER_SPACING).all():
        return ()
    here, there = (" x ".join(f"{side:.3g}" for side in spacing) for spacing in (volume.spacing, learnt))
    return (f"Voxels of {here} mm; the model learnt from {there} mm: resample the volume if the result is poor",)


def keep_largest(labels: np.ndarray, values: Sequence[int]) -> None:
    """Turn all but the largest connected part of each value into background, in place.

    Voxels that share a face are connected. Only the box around a value is looked at.
    """
    boxes = ndimage.find_objects(labels, max_label=max(values))
    for value in values:
        box = boxes[value - 1]
        if box is None:
            continue
        part = labels[box]
        numbers, count = ndimage.label(part == value)
        if count > 1:
            largest = 1 + int(np.bincount(numbers.ravel())[1:].argmax())
            part[(numbers > 0) & (numbers != largest)] = 0


def _table(labels: np.ndarray, classes: SegmentClasses, source: Volume) -> list[dict[str, Any]]:
    counts = _counts(labels, max(classes.values))
    flat = labels.ndim == 2
    known = not flat or tuple(source.spacing[:2]) != (1.0, 1.0)  # what readers say of pictures
    size = float(np.prod(source.spacing[: labels.ndim])) / (100 if flat else 1000)  # cm2, ml
    rows = []
    for one in classes.segments:
        voxels = int(counts[one.value])
        measure = voxels * size if known else None
        rows.append(
            {
                "class": one.name, "value": one.value, "colour": one.colour, "voxels": voxels,
                "volume_ml": None if flat else measure, "area_cm2": measure if flat else None,
            }
        )  # fmt: skip
    return rows


def _counts(labels: np.ndarray, largest: int) -> np.ndarray:
    """(largest + 1,) voxels of each value, slice by slice: bincount wants 64 bits a voxel."""
    slices = np.moveaxis(labels, -1, 0) if labels.ndim == 3 else labels[None]
    return sum(
        (np.bincount(part.ravel(order="K"), minlength=largest + 1) for part in slices), np.zeros(largest + 1, int)
    )
