"""Places of equal anatomy in several radiographs: mutual nearest neighbours, spread by clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.clusters import cluster
from medssl.inspection.anatomy.colours import distinct
from medssl.inspection.anatomy.similarity import Match, best_match, similarity_map

CHUNK = 2**22  # similarities held at a time
COLUMNS = ("label", "image", "name", "x", "y", "similarity", "confidence", "mutual", "colour")


@dataclass(frozen=True)
class Correspondence:
    """A place of the reference, (x, y) in pixels, and its match in each further image: None where it is not mutual."""

    x: float
    y: float
    matches: tuple[Match | None, ...]


def find_correspondences(grids: Sequence[PatchGrid], count: int = 12, seed: int = 0) -> list[Correspondence]:
    """Places of the first image that are found in the others, spread over different anatomy, the surest first.

    A place and its nearest neighbour (cosine) are a pair where each is the other's nearest, among cells that show something.
    Places that are mutual in all images go first; those that are in fewer only fill up what is missing. Their descriptors,
    meaned over the images, are parted by k-means, and each cluster gives its most similar pair.

    Args:
        grids: of two images or more; the first is the reference.
        count: places wanted; fewer are found where fewer are mutual.
        seed: of the clusters.
    """
    reference, others = grids[0], grids[1:]
    pairs = [mutual_neighbours(reference, other) for other in others]
    mutual = torch.stack([found for found, _, _ in pairs])  # (others, places)
    votes = mutual.sum(dim=0)
    enough = next((least for least in range(len(others), 0, -1) if int((votes >= least).sum()) >= count), 1)
    candidates = torch.nonzero(votes >= enough)[:, 0]
    if not len(candidates):
        return []
    similarity = sum(torch.where(found, best, 0.0) for found, _, best in pairs) / votes.clamp(min=1)
    descriptors = _shared(reference, others, pairs)[candidates]
    chosen = candidates[_salient(descriptors, similarity[candidates], min(count, len(candidates)), seed)]
    return [_place(int(number), reference, others, mutual[:, number]) for number in chosen]


def mutual_neighbours(first: PatchGrid, second: PatchGrid) -> tuple[Tensor, Tensor, Tensor]:
    """For every place of `first`, row by row: whether its nearest neighbour's nearest is itself, which that is, how similar.

    Returns:
        (places,) bool, int64 and float32; places that show nothing are never mutual.
    """
    a, b = (grid.descriptors.flatten(0, 1)[grid.foreground.flatten()] for grid in (first, second))
    forth, best = torch.empty(len(a), dtype=torch.long), torch.empty(len(a))
    back, back_best = torch.zeros(len(b), dtype=torch.long), torch.full((len(b),), -torch.inf)
    rows = max(CHUNK // len(b), 1)
    for start in range(0, len(a), rows):
        similarities = a[start : start + rows] @ b.T
        best[start : start + rows], forth[start : start + rows] = similarities.max(dim=1)
        value, index = similarities.max(dim=0)
        better = value > back_best
        back_best[better], back[better] = value[better], index[better] + start
    mutual = back[forth] == torch.arange(len(a))
    shown, places = first.foreground.flatten(), second.foreground.flatten().nonzero()[:, 0]
    of_places = [torch.zeros(shown.shape, dtype=kind) for kind in (torch.bool, torch.long, torch.float32)]
    for target, values in zip(of_places, (mutual, places[forth], best)):
        target[shown] = values
    return of_places[0], of_places[1], of_places[2]


def _shared(
    reference: PatchGrid, others: Sequence[PatchGrid], pairs: Sequence[tuple[Tensor, Tensor, Tensor]]
) -> Tensor:
    """(places, D): the mean direction of each place and those it is paired with."""
    total = reference.descriptors.flatten(0, 1).clone()
    for other, (mutual, place, _) in zip(others, pairs):
        total[mutual] += other.descriptors.flatten(0, 1)[place[mutual]]
    return functional.normalize(total, dim=1)


def _salient(descriptors: Tensor, similarity: Tensor, count: int, seed: int) -> Tensor:
    """Numbers of the most similar pair of each of `count` clusters, the most similar first."""
    clusters = torch.from_numpy(cluster(descriptors.numpy(), count, seed, starts=1)[0])
    order = torch.argsort(similarity, descending=True, stable=True)
    _, first = np.unique(clusters[order].numpy(), return_index=True)
    return order[np.sort(first)]


def _place(number: int, reference: PatchGrid, others: Sequence[PatchGrid], mutual: Tensor) -> Correspondence:
    row, column = divmod(number, reference.shape[1])
    x, y = reference.pixels(np.array([row, column]))
    descriptor = reference.descriptors[row, column]
    matches = [
        best_match(similarity_map(other, descriptor), other) if found else None for other, found in zip(others, mutual)
    ]
    return Correspondence(float(x), float(y), tuple(matches))


def correspondence_rows(places: Sequence[Correspondence], names: Sequence[str]) -> list[dict[str, Any]]:
    """The result's table: of each place a row for the reference and one for each image that shows it."""
    rows = []
    for number, (place, colour) in enumerate(zip(places, distinct(len(places)))):
        found = [match for match in place.matches if match]
        least_sure = min(match.confidence for match in found)
        of_reference = (0, place.x, place.y, 1.0, least_sure)
        of_others = [(n, m.x, m.y, m.similarity, m.confidence) for n, m in enumerate(place.matches, start=1) if m]
        rows += [
            dict(zip(COLUMNS, (f"P{number + 1}", n, names[n], x, y, similarity, confidence, True, colour)))
            for n, x, y, similarity, confidence in (of_reference, *of_others)
        ]
    return rows
