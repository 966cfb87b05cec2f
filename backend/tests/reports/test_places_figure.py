"""The picture of places: each cross lies around its place, in the slice through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from medssl.images.volume import Volume
from medssl.inference.volumes.voxel_grid import VoxelGrid
from medssl.inspection.volume_match.match_rows import match_rows
from medssl.inspection.volume_match.place_search import PlaceMatch
from medssl.reports.figures.canvas import DPI, ON_DARK
from medssl.reports.figures.places import GAP, LEFT, TILE, TOP, draw_places

SIDE, SPACING = 40, 2.0


def grid_with(voxel: tuple[int, int, int]) -> VoxelGrid:
    """A dark volume in which one voxel is bright."""
    array = np.zeros((SIDE, SIDE, 10), np.int16)
    array[voxel] = 100
    seen = Volume(array, np.array([SPACING] * 3), np.array([-10.0, 5.0, 7.0]))
    cells = torch.ones(SIDE, SIDE, 10, 2, dtype=torch.float16)
    return VoxelGrid(cells, torch.ones(SIDE, SIDE, 10, dtype=torch.bool), 1, 0.0, seen, (0.0, 100.0), torch.zeros(2))


def middle_of(colour: str, tile: np.ndarray) -> np.ndarray:
    """(column, row) in shares of the tile's sides."""
    near = np.abs(tile / 255.0 - np.array(to_rgb(colour))).max(axis=2) < 0.1
    assert near.any()
    rows, columns = np.nonzero(near)
    return np.array([(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2]) / tile.shape[1::-1]


def test_crosses_lie_around_their_places(tmp_path: Path):
    first, second = (12, 25, 3), (28, 14, 7)
    grids = [grid_with(first), grid_with(second)]
    points = [grid.points(np.array([voxel], float)) for grid, voxel in zip(grids, (first, second))]
    found = points[1][0]
    match = PlaceMatch(found, similarity=0.9, runner_up=found, runner_up_similarity=0.4, confidence=0.5, way_back=1.0)
    rows = match_rows(points[0], [match], 1, "b", "model")
    rows += match_rows(points[0], [match], 1, "b", "untrained")
    draw_places(grids, ["a", "b"], rows, tmp_path / "p.png")
    picture = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    for column, voxel in enumerate((first, second, second)):
        left = round((LEFT + column * (TILE + GAP)) * DPI)
        side = round(TILE * DPI)
        tile = picture[round(TOP * DPI) : round(TOP * DPI) + side, left : left + side]
        expected = (np.array(voxel[:2]) + 0.5) / SIDE
        assert np.allclose(middle_of(ON_DARK[0], tile), expected, atol=0.02)
        at = (expected[::-1] * side).astype(int)
        assert tile[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3].max() > 200, "the slice through the place"
