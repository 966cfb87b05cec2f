"""What the inspections found, drawn over the radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.patches import Circle as Ring
from matplotlib.patches import ConnectionPatch
from matplotlib.patheffects import withStroke
from torch import Tensor

from medssl.images.volume import Volume
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.search_area import Circle
from medssl.inspection.anatomy.similarity import Match
from medssl.reports.figures.canvas import DARK, DIM, LIGHT
from medssl.reports.figures.image_grid import LARGEST, ImageGrid, bare, extent_of

EDGE = [withStroke(linewidth=2.2, foreground=DARK)]  # keeps letters legible on any grey
HEAT = "inferno"
MARKERS = "os^Dv"  # of the images in a patch map, in turn
BESIDE = 4  # images shown beside a patch map
COLDEST, VEIL = 70.0, 0.7  # percentile of a map below which it is left clear; opacity of its maximum


def draw_correspondences(
    grids: Sequence[PatchGrid], names: Sequence[str], table: Sequence[dict[str, Any]], path: Path
) -> None:
    """Equal labels and colours at equal places, lines between neighbouring images; faint lines are unsure."""
    title = "Correspondences" if table else "Correspondences: none found"
    tiles = ImageGrid([grid.source for grid in grids], names, title)
    for row in table:
        mark(tiles.tiles[row["image"]], row["x"], row["y"], row["colour"], row["label"])
    for label in dict.fromkeys(row["label"] for row in table):
        rows = [row for row in table if row["label"] == label]
        for one, other in pairwise(rows):
            line = ConnectionPatch(
                (one["x"], one["y"]), (other["x"], other["y"]), "data", "data",
                axesA=tiles.tiles[one["image"]], axesB=tiles.tiles[other["image"]],
                color=one["colour"], linewidth=1.1, alpha=0.25 + 0.6 * other["confidence"],
            )  # fmt: skip
            tiles.figure.add_artist(line)
    tiles.save(path)


def draw_maps(
    grids: Sequence[PatchGrid],
    names: Sequence[str],
    maps: Sequence[Tensor],
    matches: Sequence[Match],
    point: tuple[int, float, float],
    circles: Sequence[Circle | None],
    path: Path,
) -> None:
    """Heat over every image; a cross at the point asked for, rings at the best matches, small ones at the runners-up.

    A dashed circle bounds what was searched.
    """
    source, x, y = point
    tiles = ImageGrid([grid.source for grid in grids], names, "Where is the same anatomy?", foot=0.5)
    for number, (tile, grid, found, match) in enumerate(zip(tiles.tiles, grids, maps, matches)):
        draw_heat_map(tile, grid, found.numpy())
        if number == source:
            tile.plot([x], [y], "+", color="#7df9ff", markersize=16, markeredgewidth=2)
            continue
        circle = circles[number]
        if circle is not None:
            middle = circle.x, circle.y
            tile.add_patch(Ring(middle, circle.radius, fill=False, edgecolor=LIGHT, linestyle="--", linewidth=1.2))
        tile.plot([match.x], [match.y], "o", mfc="none", mec="#7df9ff", markersize=13, markeredgewidth=2)
        if match.runner_up:
            tile.plot(*match.runner_up, "o", mfc="none", mec=LIGHT, markersize=7, markeredgewidth=1.2, alpha=0.8)
        text = f"confidence {match.confidence:.2f}"
        tile.text(0.02, 0.02, text, transform=tile.transAxes, color=LIGHT, fontsize=8, path_effects=EDGE)
    _scale_bar(tiles)
    tiles.save(path)


def draw_heat_map(tile: Axes, grid: PatchGrid, values: np.ndarray) -> None:
    """A map over an image, the clearer the lower: from its own COLDEST percentile to its maximum."""
    scale = Normalize(float(np.percentile(values, COLDEST)), float(values.max()))
    limits = tile.get_xlim(), tile.get_ylim()
    alpha = VEIL * np.clip(scale(values), 0, 1)
    tile.imshow(
        values,
        cmap=HEAT,
        norm=scale,
        alpha=alpha,
        extent=grid_extent(grid),
        aspect=tile.get_aspect(),
        interpolation="bilinear",
    )
    tile.set(xlim=limits[0], ylim=limits[1])


def draw_parts(
    grids: Sequence[PatchGrid],
    names: Sequence[str],
    maps: Sequence[np.ndarray],
    table: Sequence[dict[str, Any]],
    path: Path,
) -> None:
    """Label maps (column, row) over the images in the parts' colours, and a legend."""
    colours = np.array([to_rgba(DARK, 0.0), *(to_rgba(row["colour"], 0.45) for row in table)])
    title = "Parts of equal anatomy" if table else "Parts of equal anatomy: none found"
    tiles = ImageGrid([grid.source for grid in grids], names, title, foot=0.42)
    for tile, grid, labels in zip(tiles.tiles, grids, maps):
        thin = max(1, max(labels.shape) // LARGEST)
        overlay(tile, colours[labels.T[::thin, ::thin]], extent_of(grid.source.shape))
    for n, row in enumerate(table):
        left = 0.2 + 0.85 * n
        tiles.write("■", left, tiles.height - 0.32, size=11, color=row["colour"])
        tiles.write(row["name"], left + 0.18, tiles.height - 0.29, size=8)
    tiles.save(path)


def draw_patchmap(
    grids: Sequence[PatchGrid], names: Sequence[str], table: Sequence[dict[str, Any]], method: str, path: Path
) -> None:
    """The plane at the left, a point per patch, and the images in the same colours of places."""
    shown = grids[:BESIDE]
    plane = Volume(np.zeros((256, 256), np.float32))
    tiles = ImageGrid([plane, *(grid.source for grid in shown)], ["", *names], "Patch map")
    scatter = tiles.tiles[0]
    scatter.clear()
    scatter.set_aspect("auto")
    bare(scatter)
    scatter.set_facecolor(DARK)
    tiles.name(scatter, f"{method.upper().replace('TSNE', 't-SNE')}, a point per cell")
    for number in range(len(grids)):
        rows = [row for row in table if row["image"] == number]
        u, v, colours = ([row[key] for row in rows] for key in ("u", "v", "colour"))
        size = max(4.0, 22.0 - len(table) / 150)
        scatter.scatter(u, v, s=size, c=colours, marker=MARKERS[number % len(MARKERS)], linewidths=0, alpha=0.9)
    for number, (tile, grid) in enumerate(zip(tiles.tiles[1:], shown)):
        tint = np.zeros((*grid.shape, 4))
        for row in (row for row in table if row["image"] == number):
            tint[row["row"], row["column"]] = to_rgba(row["colour"], 0.42)
        overlay(tile, tint, grid_extent(grid))
    tiles.save(path)


def overlay(tile: Axes, colours: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Colours (rows, columns, 4) over an image, which keeps its limits."""
    limits = tile.get_xlim(), tile.get_ylim()
    tile.imshow(colours, extent=extent, aspect=tile.get_aspect(), interpolation="nearest")
    tile.set(xlim=limits[0], ylim=limits[1])


def grid_extent(grid: PatchGrid) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of a grid in pixels."""
    (x, y), (dx, dy), (rows, columns) = grid.origin, grid.step, grid.shape
    return x - dx / 2, x + (columns - 0.5) * dx, y + (rows - 0.5) * dy, y - dy / 2


def mark(tile: Axes, x: float, y: float, colour: str, label: str) -> None:
    """A labelled point."""
    tile.plot([x], [y], "o", color=colour, markersize=6, markeredgecolor=DARK, markeredgewidth=0.8)
    tile.annotate(
        label, (x, y), (5, 4), textcoords="offset points", color=colour, fontsize=8, weight="bold", path_effects=EDGE
    )


def _scale_bar(tiles: ImageGrid) -> None:
    box = (0.25 / tiles.width, 0.26 / tiles.height, 1.5 / tiles.width, 0.09 / tiles.height)
    bar = tiles.figure.colorbar(
        ScalarMappable(Normalize(0, 1), HEAT), cax=tiles.figure.add_axes(box), orientation="horizontal"
    )
    bar.set_ticks([0, 1], labels=["low", "best"])
    bar.ax.tick_params(colors=DIM, labelsize=7, length=0)
    bar.outline.set_visible(False)
    text = "similarity within each image    + the point    large ring: best match    small ring: runner-up elsewhere    confidence: 0 as alike elsewhere"
    tiles.write(text, 2.05, tiles.height - 0.36, size=7.5)
