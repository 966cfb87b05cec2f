"""How much of what patches show an untrained network of the same architecture shows, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.cosegmentation import Cosegmentation, cell_parts
from medssl.inspection.anatomy.search_area import same_place

NEAR = 0.1  # of the width: here or there in the other image
ROWS = 2**11  # patches compared with all others at a time


def part_agreement(
    grids: Sequence[PatchGrid], parts: Cosegmentation, others: Sequence[PatchGrid], other_parts: Cosegmentation
) -> float:
    """Adjusted Rand index (Hubert and Arabie, 1985) of two networks' parts over the cells of the same images.

    1: the same parts, 0: what parts of these sizes agree in by chance.
    """
    from sklearn.metrics import adjusted_rand_score

    labels: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for grid, other in zip(grids, others):
        shown = (grid.foreground & other.foreground).numpy()
        labels[0].append(cell_parts(grid, parts)[shown])
        labels[1].append(cell_parts(other, other_parts)[shown])
    return float(adjusted_rand_score(np.concatenate(labels[0]), np.concatenate(labels[1])))


def same_place_share(grids: Sequence[PatchGrid]) -> float | None:
    """Of the patches of several images, how many find their nearest in another image at the same relative place; None of one image.

    Near is within a tenth of that image's width.
    """
    if len(grids) < 2:
        return None
    places = [grid.pixels(np.argwhere(grid.foreground.numpy())) for grid in grids]  # (n, 2) x and y each
    descriptors = [grid.descriptors[grid.foreground] for grid in grids]
    near = count = 0
    for number, grid in enumerate(grids):
        others = [n for n in range(len(grids)) if n != number]
        everywhere = torch.cat([descriptors[n] for n in others])
        where = np.concatenate([places[n] for n in others])
        which = np.repeat(others, [len(places[n]) for n in others])
        for start in range(0, len(descriptors[number]), ROWS):
            found = (descriptors[number][start : start + ROWS] @ everywhere.T).argmax(dim=1).numpy()
            for row, at in enumerate(found, start):
                target = grids[which[at]]
                there = same_place(places[number][row], grid.box, target.box)
                near += bool(np.hypot(*(where[at] - there)) <= NEAR * target.box[2])
                count += 1
    return near / count
