"""Places of one volume and what a model found of them in others: axial slices through both, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medssl.images.volume import LPS_TO_RAS
from medssl.inference.volumes.voxel_grid import VoxelGrid
from medssl.reports.figures.canvas import DARK, DIM, DPI, LIGHT, ON_DARK
from medssl.reports.figures.image_grid import bare, shortened

TILE, GAP, LEFT, TOP = 2.1, 0.06, 0.4, 0.5  # inches
MOST_ROWS, MOST_COLUMNS = 12, 6
ARM, HOLE = 0.16, 0.04  # of the cross's lines, shares of the slice's width


def draw_places(grids: Sequence[VoxelGrid], names: Sequence[str], table: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a PNG: a row per point, the reference at the left, then each further volume as each model sees it.

    Args:
        grids: of the reference and of the further volumes.
        names: of all of them.
        table: rows of `match_rows`; of more than twelve points, and of more than five columns beside the reference, the first are drawn.
        path: of the PNG.
    """
    columns = list(dict.fromkeys((row["volume"], row["by"]) for row in table))[: MOST_COLUMNS - 1]
    points = sorted({row["point"] for row in table})[:MOST_ROWS]
    found = {(row["point"], row["volume"], row["by"]): row for row in table}
    tallest = max(grid.seen.size_mm[1] / grid.seen.size_mm[0] for grid in grids)
    high = TILE * min(float(tallest), 1.5)
    width = LEFT + (1 + len(columns)) * (TILE + GAP)
    height = TOP + len(points) * (high + GAP)
    figure = Figure(figsize=(width, height), facecolor=DARK)
    several = len({by for _, by in columns}) > 1
    heads = [names[0], *(f"{names[volume]}, {by}" if several else names[volume] for volume, by in columns)]
    for column, head in enumerate(heads):
        left = (LEFT + column * (TILE + GAP) + TILE / 2) / width
        top = 1 - 0.18 / height
        figure.text(left, top, shortened(head, TILE), color=LIGHT, fontsize=8.5, ha="center", va="top")
    for row, point in enumerate(points):
        bottom = height - TOP - (row + 1) * high - row * GAP
        places = [(grids[0], _point(found[(point, *columns[0])], "source_"), "")]
        for volume, by in columns:
            one = found[point, volume, by]
            places.append((grids[volume], _point(one), f"{one['confidence']:.2f}"))
        for column, (grid, place, text) in enumerate(places):
            left = LEFT + column * (TILE + GAP)
            tile = figure.add_axes((left / width, bottom / height, TILE / width, high / height), facecolor=DARK)
            _show(tile, grid, place, ON_DARK[row % len(ON_DARK)])
            tile.text(0.03, 0.03, text, color=DIM, fontsize=7, transform=tile.transAxes)
        middle = (bottom + high / 2) / height
        figure.text(
            LEFT / 2 / width, middle, str(point + 1), color=ON_DARK[row % len(ON_DARK)], fontsize=10, ha="center"
        )
    figure.savefig(path, dpi=DPI, facecolor=DARK, format="png")


def _point(row: dict[str, Any], prefix: str = "") -> np.ndarray:
    """(3,) mm, LPS."""
    return np.array([row[f"{prefix}{axis}"] for axis in "ras"]) @ LPS_TO_RAS.T


def _show(tile: Axes, grid: VoxelGrid, point: np.ndarray, colour: str) -> None:
    """The axial slice through a point, as radiologists see it, and a cross around the point."""
    i, j, k = grid.voxels(point)
    low, high = grid.window
    array, spacing = grid.seen.array, grid.seen.spacing
    level = int(np.clip(round(k), 0, array.shape[2] - 1))
    tile.imshow(
        array[:, :, level].T, cmap="gray", vmin=low, vmax=high, aspect=spacing[1] / spacing[0], interpolation="bilinear"
    )
    tile.set_anchor("C")
    across = array.shape[0]
    down = across * spacing[0] / spacing[1]
    for sign in (-1, 1):
        tile.plot([i + sign * HOLE * across, i + sign * ARM * across], [j, j], color=colour, lw=1.2)
        tile.plot([i, i], [j + sign * HOLE * down, j + sign * ARM * down], color=colour, lw=1.2)
    tile.set_xlim(-0.5, array.shape[0] - 0.5)
    tile.set_ylim(array.shape[1] - 0.5, -0.5)
    bare(tile)
