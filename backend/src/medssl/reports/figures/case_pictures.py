"""Small pictures of single cases for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from medssl.core.errors import MedSSLError
from medssl.core.files import write_atomic
from medssl.evaluation.label_map_cases import image_under, read_pair
from medssl.evaluation.label_map_pairs import Pair
from medssl.images.formats.reading import read_volume
from medssl.images.geometry import turn_to_read, turned
from medssl.images.segment_classes import SegmentClasses
from medssl.images.thumbnail import thumbnail_of
from medssl.images.volume import Volume
from medssl.reports.figures.canvas import DPI, to_png

PICTURES = (".png", ".jpg", ".jpeg")
OPACITY = 0.5  # of colours over an image


def thumbnail(path: Path) -> bytes | None:
    """A small PNG of any image that MedSSL reads, of a volume its middle slice; None where it cannot be read."""
    try:
        volume = read_volume(path)
    except MedSSLError:
        return None
    return thumbnail_of(volume)


def draw_worst(
    pairs: Sequence[Pair], worst: Sequence[Mapping[str, Any]], classes: SegmentClasses, folder: Path
) -> tuple[dict[str, Path], int]:
    """A PNG for each of the worst cases of an evaluation; image -> file, and how many show label maps alone."""
    folder.mkdir(parents=True, exist_ok=True)
    of_image = {pair.image: pair for pair in pairs}
    drawn, bare = {}, 0
    for number, row in enumerate(worst, start=1):
        pair = of_image[row["image"]]
        predicted, truth = read_pair(pair, classes)
        image = image_under(pair, truth)
        bare += image is None
        drawn[row["image"]] = folder / f"worst-{number}.png"
        write_atomic(drawn[row["image"]], draw_agreement(predicted, truth, image))
    return drawn, bare


def draw_agreement(predicted: np.ndarray, truth: Volume, image: np.ndarray | None = None) -> bytes:
    """A PNG of the slice with most of the truth, as readers look at it: green where both maps agree, orange only truth, red only predicted.

    Args:
        predicted: class numbers in the axes of the truth.
        truth: class numbers and where they lie.
        image: grey values 0...1 in the same axes, which shine through the colours; without it the ground is dark.
    """
    grey = np.full(truth.shape, 0.1, np.float32) if image is None else image
    if truth.array.ndim == 3:
        turn = turn_to_read(truth)
        truth, predicted, grey = turned(truth, turn), turn.apply(predicted), turn.apply(grey)
    labels = truth.array
    if labels.ndim == 3:
        either = (labels > 0) * 2 + (predicted > 0)
        k = int(either.sum(axis=(0, 1)).argmax())
        labels, predicted, grey = labels[:, :, k], predicted[:, :, k], grey[:, :, k]
    opacity = 1.0 if image is None else OPACITY
    colours = np.repeat(grey[..., None] * 255, 3, axis=2)  # (columns, rows, 3)
    for there, colour in (
        ((labels > 0) & (labels == predicted), (46, 160, 90)),
        ((labels > 0) & (labels != predicted), (230, 150, 50)),
        ((labels == 0) & (predicted > 0), (214, 60, 60)),
    ):
        colours[there] = (1 - opacity) * colours[there] + opacity * np.array(colour)
    figure = Figure(figsize=(3.0, 3.0), layout="constrained")
    axes = figure.subplots()
    pixels = np.rint(colours).astype(np.uint8).swapaxes(0, 1)
    axes.imshow(pixels, aspect=float(truth.spacing[1] / truth.spacing[0]), interpolation="nearest")
    axes.axis("off")
    figure.supxlabel("green: both, orange: truth only, red: predicted only", fontsize=7)
    return to_png(figure, dpi=90)


def draw_overlay(
    path: Path, image: np.ndarray, predicted: np.ndarray, truth: np.ndarray, colours: list[str], aspect: float
) -> None:
    """A PNG of truth and prediction as outlines over the image; arrays (columns, rows), class numbers from 1."""
    figure = Figure(figsize=(6.4, 3.4), dpi=DPI)  # the layout depends on it
    panels = figure.subplots(1, 2)
    for axes, title, labels in zip(panels, ("truth", "prediction"), (truth, predicted)):
        axes.imshow(image.T, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="nearest")
        for number, colour in enumerate(colours, start=1):
            if (labels == number).any():
                axes.contour(number == labels.T, [0.5], colors=[colour], linewidths=1.2)
        axes.set_title(title, fontsize=9)
        axes.axis("off")
    figure.tight_layout(pad=0.4)
    write_atomic(path, to_png(figure, bbox_inches="tight"))
