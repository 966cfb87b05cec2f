"""A coarse match looked at again on finer cells: the network sees windows that begin where neither grid has places.

A grid of one place a cell is out of step with another image's by up to half a cell on each axis, which costs similarity
where the anatomy is right. So the best few places of the coarse map are all looked at again, in quarters of a cell, against
the cell that lies exactly on the source's point; a cell is compared together with its eight neighbours, and the finer
similarity decides which place is taken and where it lies.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from medssl.inference.fine_patches import FinePatches
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.search_area import Circle
from medssl.inspection.anatomy.similarity import APART, Match, best_places, match_of, peak_offset

CANDIDATES = 5  # coarse places that are looked at again
NEIGHBOUR = 0.5  # weight of each of a cell's eight neighbours


def refined_match(
    wanted: Tensor,
    target: FinePatches,
    similarities: Tensor,
    grid: PatchGrid,
    circle: Circle | None = None,
) -> Match:
    """The match of a source's cell, by the finer similarity of the best coarse places.

    Similarities are weighted means over a cell and its neighbours, and the runner-up is the second best of the coarse places.

    Args:
        wanted: descriptors (3, 3, D) of `FinePatches.at` a point of the source.
        similarities: the coarse map (rows, columns) of the target.
        grid: of the target.
        circle: what is searched; the finer look may leave it by a cell.
    """
    found = []
    for place in best_places(similarities, grid, circle, CANDIDATES):
        descriptors, pixels = target.around(grid.pixels(place))
        scores = cell_similarity(descriptors, wanted).numpy()
        best = np.array(np.unravel_index(scores.argmax(), scores.shape))
        if not np.isfinite(scores[tuple(best)]):
            continue  # no whole cell lies there
        across_and_down = (best + peak_offset(scores, best))[::-1]
        x, y = grid.inside(pixels[0, 0] + across_and_down * (pixels[1, 1] - pixels[0, 0]))
        found.append((float(x), float(y), float(scores[tuple(best)])))
    found.sort(key=lambda one: -one[2])
    match = match_of(found[0], found[1] if len(found) > 1 else None)
    coarse = grid.pixels(best_places(similarities, grid, circle, 1)[0])
    away = np.hypot(*((np.array([match.x, match.y]) - coarse) / grid.cell))
    return replace(match, stayed=bool(away <= APART))


def cell_similarity(descriptors: Tensor, wanted: Tensor) -> Tensor:
    """Weighted mean cosines (...) of cells with their neighbours (..., 3, 3, D) and those of one cell (3, 3, D).

    Neighbours that either side does not see do not count; where a cell itself is not seen, it is minus infinity.
    """
    weights = torch.full(wanted.shape[:2], NEIGHBOUR)
    weights[1, 1] = 1.0
    seen = (descriptors.abs().amax(dim=-1) > 0) & (wanted.abs().amax(dim=-1) > 0)
    total = ((descriptors * wanted).sum(dim=-1) * weights).sum(dim=(-1, -2))
    mean = total / (seen * weights).sum(dim=(-1, -2)).clamp(min=1e-9)
    return torch.where(seen[..., 1, 1], mean, -torch.inf)
