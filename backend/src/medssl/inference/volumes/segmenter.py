"""Segmentation of whole images by a fine-tuned network: a label map with the image's geometry, whatever the image's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.core.capabilities import SEGMENT
from medssl.core.errors import ConfigError
from medssl.core.plan import Plan
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.planes import is_flat
from medssl.images.radiograph import as_radiograph, resized
from medssl.images.segment_classes import SegmentClasses
from medssl.images.volume import Volume
from medssl.inference.capabilities import require
from medssl.inference.mirroring import notes_on_mirroring, trained_mirrored
from medssl.inference.volumes.axes import check_deep, check_flat
from medssl.inference.volumes.channels import grid_reader, on_one_grid
from medssl.inference.volumes.found_labels import class_table
from medssl.inference.volumes.model_grid import ModelGrid, notes_before, on_model_grid
from medssl.inference.volumes.postprocessing import (
    SETTING,
    postprocess,
    recorded_steps,
    sentence,
    steps_for,
    voxel_size,
)
from medssl.inference.volumes.slabs import class_numbers
from medssl.inference.volumes.sliding import copies, image_slabs, mirrored_axes, reader
from medssl.inference.volumes.uncertainty import VoxelSample, Watch, source_sentence, temperature_of
from medssl.networks.ensemble import Ensemble
from medssl.networks.network import Network

MARGIN = 8 / 7  # a radiograph's short side over that of the network's window, as in training

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
        uncertainty: 0 (sure) to 1 in each voxel, float32, where the labels lie; None: it was not asked for.
    """

    labels: Volume
    source: Volume
    table: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    notes: tuple[str, ...]
    uncertainty: Volume | None = None


def segment_image(
    volume: Volume,
    net: Network,
    overlap: float | None = None,
    mirror: bool = False,
    progress: Progress | None = None,
    out: np.ndarray | None = None,
    view: str = "",
    inverted: bool = False,
    uncertainty: bool = False,
    sample: VoxelSample | None = None,
) -> SegmentedImage:
    """Label every voxel of a volume, or pixel of a radiograph.

    A volume is seen in the orientation and spacing that the model was trained with; probabilities come back to its own voxels,
    and the largest decides there. Memory beyond the image (as stored, and resampled where it is), its label map and the network's
    own is that of a window's depth of logits; where a model records post-processing, up to 6 bytes for each voxel of the box around
    a class besides, one class after another.

    Args:
        volume: in stored units; normalised under the rule the model was trained with. Of a model of several channels the first,
            with its `further` ones, which are brought onto its grid.
        net: a segmentation network with its plan.
        overlap: of neighbouring windows, 0...0.9; None: as the model was trained.
        mirror: average over mirrored images, even where the model was not trained to.
        progress: called with (fraction, message); may raise CancelledError.
        out: takes the labels, (i, j, k) of any integer type (a memory-mapped file, say); None: a new array.
        view: how a 3D volume becomes 2D, for a model of radiographs.
        inverted: high values of a radiograph are dark.
        uncertainty: note how unsure the answer is in each voxel, 4 bytes for each: the entropy of the mean probabilities of an
            ensemble's members. A model that is none, and was trained with mirrored images, is asked about mirrored copies too,
            whose mean labels the image then.
        sample: takes what the model says of some voxels, for calibration; not of a view.

    Raises:
        WeightsError: a model of another task.
        VolumeError: a 2D image where the model needs volumes or the other way round, or a constant one.
        InputError: an image of another modality than the model's, or a case that lacks a channel.
        ConfigError: an overlap out of range.
    """
    plan, task = check_segmenter(net), net.plan.task
    overlap = float(task.get("overlap", 0.25)) if overlap is None else overlap
    if not 0 <= overlap <= 0.9:
        raise ConfigError(
            f"overlap = {overlap}", "must be 0 to 0.9", "0.25 is a good start", code="setting-out-of-range"
        )
    classes = SegmentClasses.from_list(task["segments"])
    report = progress or (lambda fraction, message: None)
    windows = _Windows(
        net, tuple(plan.input_size), overlap, _mirrors(net, mirror, uncertainty),
        lambda n, of: report(n / of, f"{n} of {of} windows"), uncertainty,
    )  # fmt: skip
    watch = Watch(None, sample, temperature_of(plan))
    if view or is_flat(volume.shape):
        source, numbers, notes, watch = _radiograph(volume, plan, windows, watch, view, inverted)
        labels = classes.values_of(numbers)
    else:
        source = volume = on_one_grid(volume, plan)
        notes = notes_before(volume, plan)
        watch = watch.on(volume.shape) if uncertainty else watch
        labels = _volume(volume, plan, windows, watch, classes, out)
    spacing = source.spacing.tolist()
    steps, left_out = steps_for(recorded_steps(task), labels.shape, spacing, task.get("spacing", ()))
    if steps:
        report(1.0, f"post-processing: {sentence(steps)}")
        postprocess(labels, steps, voxel_size(labels.shape, spacing))
    notes = (*notes, *left_out, *answer_notes(net, labels.ndim, mirror, uncertainty))
    table = class_table(labels, classes, source)
    if not any(row["voxels"] for row in table):
        notes = (*notes, "Nothing was found: every voxel is background")
    result = replace(source, array=labels, modality="LABEL", further=())
    unsure = None if watch.entropy is None else replace(source, array=watch.entropy, modality="", further=())
    return SegmentedImage(result, source, table, classes.as_list(), notes, unsure)


@dataclass(frozen=True)
class _Windows:
    """How the network is moved over an image."""

    net: Network
    size: tuple[int, ...]
    overlap: float
    mirror: bool
    progress: Callable[[int, int], None]
    probable: bool = False  # mirrored copies are averaged by their probabilities

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def over(self, read: Callable[[int, int], Tensor], shape: Sequence[int], axes: int) -> Any:
        return image_slabs(
            read,
            shape,
            self.net,
            self.size,
            self.overlap,
            self._mirrored(axes),
            progress=self.progress,
            probable=self.probable,
        )

    def _mirrored(self, axes: int) -> tuple[int, ...]:
        return mirrored_axes(len(self.size), axes) if self.mirror else ()


def answer_notes(net: Network, axes: int, mirror: bool = False, uncertainty: bool = False) -> tuple[str, ...]:
    """What should be known of every label map and uncertainty map of a model.

    Args:
        net: a segmentation network with its plan.
        axes: of the images.
        mirror, uncertainty: as `segment_image` is asked.
    """
    plan = check_segmenter(net)
    chosen, notes = plan.task.get(SETTING), notes_on_mirroring(plan, mirror)
    if chosen:
        notes = (f"Post-processing, as chosen on validation images: {sentence(chosen)}", *notes)
    if not uncertainty:
        return notes
    mirrored = mirrored_axes(len(plan.input_size), axes) if _mirrors(net, mirror, uncertainty) else ()
    return (*notes, source_sentence(copies(mirrored), _members(net), plan))


def _mirrors(net: Network, mirror: bool, uncertainty: bool) -> bool:
    """Are mirrored copies averaged: because somebody asks, as the model was trained, or for the sake of a map?"""
    known = trained_mirrored(net.plan) is True
    return mirror or bool(net.plan.task.get("mirror")) or (uncertainty and known and _members(net) == 1)


def _members(net: Network) -> int:
    return len(net.members) if isinstance(net, Ensemble) else 1


def check_segmenter(net: Network) -> Plan:
    """The plan of a model that segments.

    Raises:
        WeightsError: a model of another task.
    """
    require(net.plan, SEGMENT)
    return net.plan


def class_probabilities(
    volume: Volume, net: Network, overlap: float = 0.25, mirror: bool = False, progress: Progress | None = None
) -> np.ndarray:
    """The probability of background and each class in every voxel of a volume, (C, i, j, k) float32, on its own grid.

    All of it is in memory at once; `segment_image` needs a window's depth.

    Raises:
        WeightsError, VolumeError, InputError: see `segment_image`.
    """
    plan, report = check_segmenter(net), progress or (lambda fraction, message: None)
    windows = _Windows(
        net, tuple(plan.input_size), overlap, mirror, lambda n, of: report(n / of, f"{n} of {of} windows")
    )
    check_deep(volume, plan)
    grid = on_model_grid(on_one_grid(volume, plan), plan)
    slabs = [probabilities.cpu() for _, probabilities in _probabilities(grid, plan, windows)]
    return np.ascontiguousarray(grid.turn.back(torch.cat(slabs, dim=3).numpy()))


def _volume(
    volume: Volume, plan: Plan, windows: _Windows, watch: Watch, classes: SegmentClasses, out: np.ndarray | None
) -> np.ndarray:
    """The labels of a volume, slab by slab."""
    check_deep(volume, plan)
    grid = on_model_grid(volume, plan)
    kind = classes.values_of(np.zeros(1, np.uint8)).dtype
    labels = np.empty(volume.shape, kind, order="F") if out is None else out  # as files have it: slice after slice
    ordered = grid.turn.apply(labels)  # a view: what is written there is written to the labels
    found = _probabilities(grid, plan, windows) if grid.resampled else _logits(grid, plan, windows)
    watch = watch.seen(grid.turn.apply)
    for first, scores in found:
        watch.take(first, scores, probable=grid.resampled)
        numbers = class_numbers(scores)
        ordered[:, :, first : first + numbers.shape[2]] = classes.values_of(numbers)
    return labels


def _logits(grid: ModelGrid, plan: Plan, windows: _Windows) -> Iterator[tuple[int, Tensor]]:
    """Slabs of logits on the model's grid."""
    return windows.over(grid_reader(grid, plan, windows.device), grid.volume.shape, 3)


def _probabilities(grid: ModelGrid, plan: Plan, windows: _Windows) -> Iterator[tuple[int, Tensor]]:
    """Slabs of probabilities on the volume's voxels, in the model's orientation."""
    return grid.slabs_back((first, logits.softmax(dim=0)) for first, logits in _logits(grid, plan, windows))


def _radiograph(
    volume: Volume, plan: Plan, windows: _Windows, watch: Watch, view: str, inverted: bool
) -> tuple[Volume, np.ndarray, tuple[str, ...], Watch]:
    """The 2D image, class numbers (column, row) of each of its pixels, notes, and what was noted.

    What lies inside the image's uniform borders is brought to the size of training; its logits come back by interpolation.
    """
    check_flat(volume, plan)
    image = as_radiograph(volume, view, inverted, NormalisationConfig(**plan.normalisation), plan.modality)
    scaled = np.ascontiguousarray(resized(image.pixels, round(min(windows.size) * MARGIN)).T)[..., None]
    found = torch.cat(
        [logits.clone() for _, logits in windows.over(reader(scaled, windows.device), scaled.shape, 2)], dim=3
    )
    rows, columns = image.pixels.shape
    logits = functional.interpolate(found[None, ..., 0], (columns, rows), mode="bilinear", align_corners=False)[0]
    numbers = np.zeros(image.volume.shape, np.uint8)  # what was left out is background
    inside = slice(image.x0, image.x0 + columns), slice(image.y0, image.y0 + rows)
    numbers[inside] = class_numbers(logits[..., None])[..., 0]
    watch = watch.on(image.volume.shape) if windows.probable else watch
    watch.seen(lambda array: array.reshape(image.volume.shape)[inside][..., None]).take(0, logits[..., None])
    return image.volume, numbers, image.notes, watch
