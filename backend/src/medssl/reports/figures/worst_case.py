"""Label maps over images, as pictures."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from medssl.core.files import write_atomic
from medssl.reports.figures.curves import to_png


def draw_overlay(
    path: Path, image: np.ndarray, predicted: np.ndarray, truth: np.ndarray, colours: list[str], aspect: float
) -> None:
    """Two panes, truth and prediction, outlines over the image; arrays (columns, rows), class numbers from 1."""
    figure, panes = plt.subplots(1, 2, figsize=(6.4, 3.4), dpi=110)
    for pane, title, labels in zip(panes, ("truth", "prediction"), (truth, predicted)):
        pane.imshow(image.T, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="nearest")
        for number, colour in enumerate(colours, start=1):
            if (labels == number).any():
                pane.contour(number == labels.T, [0.5], colors=[colour], linewidths=1.2)
        pane.set_title(title, fontsize=9)
        pane.axis("off")
    figure.tight_layout(pad=0.4)
    write_atomic(path, to_png(figure))
