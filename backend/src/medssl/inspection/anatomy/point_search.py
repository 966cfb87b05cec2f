"""Click to find: what lies at a point of one radiograph, looked for in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from medssl.core.errors import InputError
from medssl.inference.fine_patches import FinePatches
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.refinement import refined_match
from medssl.inspection.anatomy.search_area import Circle, circle_around
from medssl.inspection.anatomy.similarity import Match, best_match, check_point, similarity_map


def find_point(
    grids: Sequence[PatchGrid],
    source: int,
    x: float,
    y: float,
    radius: float = 0.0,
    finer: Sequence[FinePatches] = (),
) -> tuple[list[Tensor], list[Match]]:
    """Similarity maps and best matches, in every image, of what lies at (x, y) of image `source`.

    Where the point lies on what shows nothing, see `PatchGrid.shows`, the nearest cell is looked for, and no match has confidence.

    Args:
        radius: of the search around the same relative place, in percent of an image's width; 0: everywhere. Maps are whole.
        finer: of each image what the network says between grid places: matches are refined with it; none: they stay coarse.

    Raises:
        InputError: no such image, or a point outside it.
    """
    if not 0 <= source < len(grids):
        raise InputError(
            f"source = {source}",
            f"is not the number of an image: there are {len(grids)}",
            "Count the images from 0",
            code="image-number-unknown",
        )
    check_point(grids[source].source, x, y)
    descriptor = grids[source].at(np.array([[x, y]]))[0]
    maps, circles = [similarity_map(grid, descriptor) for grid in grids], search_circles(grids, source, x, y, radius)
    if finer:
        cell = finer[source].at(np.array([x, y]))
        matches = [
            refined_match(cell, close, found, grid, circle)
            for close, found, grid, circle in zip(finer, maps, grids, circles)
        ]
    else:
        matches = [best_match(found, grid, circle) for found, grid, circle in zip(maps, grids, circles)]
    if not grids[source].shows(np.array([x, y])):
        matches = [replace(match, confidence=0.0) for match in matches]
    return maps, matches


def point_notes(grid: PatchGrid, x: float, y: float) -> list[str]:
    """What the user should know of a point that is looked for."""
    if grid.shows(np.array([x, y])):
        return []
    return [
        f"The point ({x:.0f}, {y:.0f}) lies on a border or on a place that shows nothing: what is found belongs to the nearest cell, "
        "and no confidence is stated. Choose a point on the body"
    ]


def search_circles(grids: Sequence[PatchGrid], source: int, x: float, y: float, radius: float) -> list[Circle | None]:
    """What is searched of every image for (x, y) of image `source`; None: all of it. Arguments as of `find_point`."""
    return [circle_around(np.array([x, y]), grids[source], grid, radius) for grid in grids]
