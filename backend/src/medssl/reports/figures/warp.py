"""A radiograph bent onto another: both with their points, the bent grid, and a checkerboard of the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from medssl.images.volume import Volume
from medssl.inspection.warp.point_pairs import PointPairs
from medssl.inspection.warp.thin_plate import Warp
from medssl.reports.figures.image_grid import SHOWN, ImageGrid

FIELDS = 8  # of the checkerboard along the longer side
LINES = 16  # of the bent grid
COLOUR = "#7df9ff"


def draw_warp(
    moving: Volume, fixed: Volume, bent: Volume, warp: Warp, pairs: PointPairs, names: Sequence[str], path: Path
) -> None:
    """Four tiles: the image that is bent with the grid that it is read by, its target, the bent image, both in turns."""
    board = replace(fixed, array=checkerboard(bent.array, fixed.array))
    titles = [names[0], names[1], f"{names[0]}, bent", "both, in turns"]
    tiles = ImageGrid([moving, fixed, bent, board], titles, "One radiograph bent onto another")
    _draw_grid(tiles.tiles[0], warp)
    for tile, points in zip(tiles.tiles, (pairs.moving, pairs.fixed)):
        tile.plot(*points.T, "o", mfc="none", mec="#ffb454", markersize=4, markeredgewidth=0.9)
    tiles.save(path)


def checkerboard(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Fields of two images (columns, rows) of one size in turns, each on a scale of 0...1."""
    side = max(1, max(first.shape) // FIELDS)
    column, row = np.indices(first.shape) // side
    return np.where((column + row) % 2 == 0, _scaled(first), _scaled(second)).astype(np.float32)


def _draw_grid(tile: Axes, warp: Warp) -> None:
    limits = tile.get_xlim(), tile.get_ylim()
    every = max(1, max(warp.places.shape[:2]) // LINES)
    for lines in (warp.places[::every], warp.places[:, ::every].swapaxes(0, 1)):
        for line in lines:
            tile.plot(*line.T, color=COLOUR, linewidth=0.5, alpha=0.6)
    tile.set(xlim=limits[0], ylim=limits[1])


def _scaled(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, SHOWN)
    return np.clip((image - low) / max(high - low, 1e-6), 0, 1)
