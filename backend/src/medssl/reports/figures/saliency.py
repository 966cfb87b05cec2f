"""A saliency map over its radiograph, as a picture that says what made it."""

from __future__ import annotations

from pathlib import Path

from matplotlib import colormaps

from medssl.inspection.saliency.maps import Saliency
from medssl.reports.figures.anatomy import HEAT, VEIL, overlay
from medssl.reports.figures.image_grid import LARGEST, ImageGrid, extent_of


def draw_saliency(found: Saliency, name: str, path: Path) -> None:
    """The radiograph, and beside it the same below the map: the clearer, the less a place speaks for the finding."""
    method, _, check = found.text.partition("; ")
    tiles = ImageGrid([found.source] * 2, [name, ""], method, foot=0.42)
    thin = max(1, max(found.source.shape) // LARGEST)
    values = found.map[::thin, ::thin]
    colours = colormaps[HEAT](values)
    colours[..., 3] = VEIL * values
    overlay(tiles.tiles[1], colours, extent_of(found.source.shape))
    tiles.write(check, 0.2, tiles.height - 0.29, size=8)
    tiles.save(path)
