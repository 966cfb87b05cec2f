"""Radiographs side by side on a dark ground, to draw on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medssl.images.volume import Volume
from medssl.reports.figures.canvas import DARK, DIM, LIGHT

HEIGHT, GAP, EDGE, HEAD, FOOT = 4.2, 0.12, 0.12, 0.56, 0.12  # inches
WIDEST = 6.0  # of one tile
DPI = 110
SHOWN = (0.5, 99.5)  # percentiles of an image that are drawn black and white
LARGEST = 1024  # pixels of a side that a picture of this size can show


class ImageGrid:
    """A figure with a tile per image; tile coordinates are pixels (x, y) of the image.

    Args:
        images: 2D volumes (column, row).
        names: drawn above them.
        title: drawn above all.
        foot: inches left free below, for a legend.
    """

    def __init__(self, images: Sequence[Volume], names: Sequence[str], title: str, foot: float = FOOT) -> None:
        widths = [min(HEIGHT * image.size_mm[0] / image.size_mm[1], WIDEST) for image in images]
        self.width = 2 * EDGE + sum(widths) + GAP * (len(images) - 1)
        self.height = HEAD + HEIGHT + foot
        self.figure = Figure(figsize=(self.width, self.height), facecolor=DARK)
        self.write(title, EDGE, 0.1, size=11, weight="bold", color=LIGHT)
        self.tiles: list[Axes] = []
        left = EDGE
        for image, name, width in zip(images, names, widths):
            box = (left / self.width, foot / self.height, width / self.width, HEIGHT / self.height)
            tile = self.figure.add_axes(box, facecolor=DARK)
            show_image(tile, image)
            self.name(tile, shortened(name, width))
            self.tiles.append(tile)
            left += width + GAP

    def name(self, tile: Axes, text: str) -> None:
        """Write over a tile."""
        tile.set_title(text, color=DIM, fontsize=8.5, pad=4)

    def write(self, text: str, x: float, y: float, size: float = 8.5, color: str = DIM, **how: object) -> None:
        """Text at inches from the left and the top."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            fontsize=size,
            color=color,
            va="top",
            **how,  # type: ignore[arg-type]
        )

    def save(self, path: Path) -> None:
        """Write the PNG."""
        self.figure.savefig(path, dpi=DPI, facecolor=DARK, format="png")


def show_image(tile: Axes, image: Volume) -> None:
    """Draw a 2D image in grey, without ticks, in pixel coordinates."""
    low, high = np.percentile(image.array, SHOWN)
    thin = max(1, max(image.shape) // LARGEST)
    tile.imshow(
        image.array.T[::thin, ::thin], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=extent_of(image.shape),
        aspect=aspect_of(image), interpolation="bilinear",
    )  # fmt: skip
    bare(tile)


def bare(tile: Axes) -> None:
    """No ticks, no frame."""
    tile.set_xticks([])
    tile.set_yticks([])
    for spine in tile.spines.values():
        spine.set_visible(False)


def extent_of(shape: Sequence[int]) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of an image (columns, rows) whose first pixel's centre is 0."""
    return -0.5, shape[0] - 0.5, shape[1] - 0.5, -0.5


def aspect_of(image: Volume) -> float:
    """Height of a pixel over its width."""
    return float(image.spacing[1] / image.spacing[0])


def shortened(name: str, width: float) -> str:
    """A name that fits over a tile of `width` inches, without its middle where it is long."""
    fits = max(int(width * 12), 8)
    return name if len(name) <= fits else f"{name[: fits // 2 - 1]}…{name[-(fits // 2 - 1) :]}"
