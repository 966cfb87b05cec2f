"""Places that two or more volumes share: points of the first, spread over it, whose way there and back ends where it began."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medssl.inference.volumes.voxel_grid import VoxelGrid
from medssl.inspection.volume_match.place_search import similarity_maps

TRIED = 256  # points of the first volume that are looked for
BACK = 1.5  # cells between a point and where its way back ends: the same place


def choose_points(grids: Sequence[VoxelGrid], count: int, seed: int = 0) -> np.ndarray:
    """Points (at most `count`, 3) of the first volume, mm in LPS, that are found in the others and lead back; the surest first.

    TRIED points drawn from what shows something are looked for in every other volume, and what is found there in the first.
    Of those that come back to where they began, the half that is most alike stays; each next one chosen is far from those before.

    Args:
        grids: of two volumes or more; the first is the reference.
        count: points wanted; fewer come where fewer lead back.
        seed: of the draw.
    """
    reference = grids[0]
    places = torch.nonzero(reference.foreground)
    some = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed % 2**63))[:TRIED]
    places = places[some]
    descriptors = reference.descriptors[tuple(places.T)].float()
    points = reference.points(places.numpy())
    votes, similarity = torch.zeros(len(points)), torch.zeros(len(points))
    for other in grids[1:]:
        found, alike = _best(other, descriptors)
        back, _ = _best(reference, other.descriptors[tuple(found.T)].float())
        distance = ((back - places).float()).norm(dim=1)
        votes += distance <= BACK
        similarity += alike / len(grids[1:])
    numbers = torch.nonzero(votes > 0)[:, 0]
    score = (votes + similarity)[numbers]
    surest = score.argsort(descending=True)[
        : max(len(numbers) // 2, min(count, len(numbers)))
    ]  # others lead back by chance
    points, score = points[numbers[surest].numpy()], score[surest]
    return points[_spread(points, score.numpy(), count)]


def _best(grid: VoxelGrid, descriptors: Tensor) -> tuple[Tensor, Tensor]:
    """Most alike shown places (Q, 3) to descriptors (Q, D), and how alike."""
    hidden = ~grid.foreground
    found, alike = [], []
    for some in descriptors.split(16):  # maps held at a time
        values = similarity_maps(grid, some).masked_fill(hidden, -torch.inf).flatten(1)
        best, index = values.max(dim=1)
        found.append(torch.stack(torch.unravel_index(index, grid.shape), dim=1))
        alike.append(best)
    return torch.cat(found), torch.cat(alike)


def _spread(points: np.ndarray, score: np.ndarray, count: int) -> list[int]:
    """Numbers of up to `count` points: the best first, then each time the one of the largest distance times score."""
    if not len(points):
        return []
    chosen = [int(score.argmax())]
    distance = np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int((distance * score).argmax()))
    return chosen
