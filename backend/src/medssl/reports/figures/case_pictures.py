"""Small pictures of single cases for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from medssl.core.errors import MedSSLError
from medssl.core.files import write_atomic
from medssl.evaluation.label_map_cases import Pair, read_pair
from medssl.images.formats.reading import read_volume
from medssl.images.segment_classes import SegmentClasses
from medssl.images.thumbnail import thumbnail_of
from medssl.images.volume import Volume
from medssl.reports.figures.canvas import DPI, to_png

PICTURES = (".png", ".jpg", ".jpeg")


def thumbnail(path: Path) -> bytes | None:
    """A small PNG of any image that MedSSL reads, of a volume its middle slice; None where it cannot be read."""
    try:
        volume = read_volume(path)
    except MedSSLError:
        return None
    return thumbnail_of(volume)


def draw_worst(
    pairs: Sequence[Pair], worst: Sequence[Mapping[str, Any]], classes: SegmentClasses, folder: Path
) -> dict[str, Path]:
    """A PNG for each of the worst cases of an evaluation; image -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    of_image = {pair.image: pair for pair in pairs}
    drawn = {}
    for number, row in enumerate(worst, start=1):
        drawn[row["image"]] = folder / f"worst-{number}.png"
        write_atomic(drawn[row["image"]], draw_agreement(*read_pair(of_image[row["image"]], classes)))
    return drawn


def draw_agreement(predicted: np.ndarray, truth: Volume) -> bytes:
    """A PNG of the slice with most of the truth: green where both maps agree, orange only truth, red only predicted.

    Args:
        predicted: class numbers in the axes of the truth.
        truth: class numbers and where they lie.
    """
    labels = truth.array
    if labels.ndim == 3:
        either = (labels > 0) * 2 + (predicted > 0)
        k = int(either.sum(axis=(0, 1)).argmax())
        labels, predicted = labels[:, :, k], predicted[:, :, k]
    colours = np.full((*labels.shape, 3), 24, np.uint8)
    colours[(labels > 0) & (labels == predicted)] = (46, 160, 90)
    colours[(labels > 0) & (labels != predicted)] = (230, 150, 50)
    colours[(labels == 0) & (predicted > 0)] = (214, 60, 60)
    figure = Figure(figsize=(3.0, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.imshow(colours.swapaxes(0, 1), aspect=float(truth.spacing[1] / truth.spacing[0]), interpolation="nearest")
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
