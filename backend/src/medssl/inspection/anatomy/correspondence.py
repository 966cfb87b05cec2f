"""Places of equal anatomy in several radiographs: mutual nearest neighbours, spread by clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.inference.fine_patches import FinePatches
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.clusters import cluster
from medssl.inspection.anatomy.colours import distinct
from medssl.inspection.anatomy.refinement import refined_match
from medssl.inspection.anatomy.search_area import circle_around, same_place
from medssl.inspection.anatomy.similarity import Match, best_match, similarity_map

CHUNK = 2**22  # similarities held at a time
COLUMNS = ("label", "image", "name", "x", "y", "similarity", "confidence", "mutual", "colour")


@dataclass(frozen=True)
class Correspondence:
    """A place of the reference, (x, y) in pixels, and its match in each further image: None where it is not mutual."""

    x: float
    y: float
    matches: tuple[Match | None, ...]


def find_correspondences(
    grids: Sequence[PatchGrid],
    count: int = 12,
    seed: int = 0,
    radius: float = 0.0,
    finer: Sequence[FinePatches] = (),
) -> list[Correspondence]:
    """Places of the first image that are found in the others, spread over different anatomy, the surest first.

    A place and its nearest neighbour (cosine) are a pair where each is the other's nearest, among cells that show something.
    Places that are mutual in all images go first; those that are in fewer only fill up what is missing. Their descriptors,
    meaned over the images, are parted by k-means, and each cluster gives its most similar pair.

    Args:
        grids: of two images or more; the first is the reference.
        count: places wanted; fewer are found where fewer are mutual.
        seed: of the clusters.
        radius: of the search around the same relative place, in percent of an image's width; 0: everywhere.
        finer: of each image what the network says between grid places: matches are refined with it, and may move away from the mutual
            neighbour, see `Match.stayed`; none: they stay coarse.
    """
    reference, others = grids[0], grids[1:]
    pairs = [mutual_neighbours(reference, other, radius) for other in others]
    mutual = torch.stack([found for found, _, _ in pairs])  # (others, places)
    votes = mutual.sum(dim=0)
    enough = next((least for least in range(len(others), 0, -1) if int((votes >= least).sum()) >= count), 1)
    candidates = torch.nonzero(votes >= enough)[:, 0]
    if not len(candidates):
        return []
    similarity = sum(torch.where(found, best, 0.0) for found, _, best in pairs) / votes.clamp(min=1)
    descriptors = _shared(reference, others, pairs)[candidates]
    chosen = candidates[_salient(descriptors, similarity[candidates], min(count, len(candidates)), seed)]
    places = []
    for number in chosen.tolist():
        x, y = reference.pixels(np.array(divmod(number, reference.shape[1])))
        matches = match_place(grids, x, y, mutual[:, number], radius, finer)
        places.append(Correspondence(float(x), float(y), matches))
    return places


def match_place(
    grids: Sequence[PatchGrid],
    x: float,
    y: float,
    wanted: Sequence[bool] | Tensor,
    radius: float = 0.0,
    finer: Sequence[FinePatches] = (),
) -> tuple[Match | None, ...]:
    """The match of a pixel of the first image in each of the others; None in those that are not wanted.

    Arguments as of `find_correspondences`.
    """
    point, (reference, *others) = np.array([x, y]), grids
    descriptor, cell = reference.at(point[None])[0], finer[0].at(point) if finer else None
    matches: list[Match | None] = []
    for n, (other, searches) in enumerate(zip(others, wanted), start=1):
        circle, similarities = circle_around(point, reference, other, radius), similarity_map(other, descriptor)
        if not searches:
            matches.append(None)
        elif cell is None:
            matches.append(best_match(similarities, other, circle))
        else:
            matches.append(refined_match(cell, finer[n], similarities, other, circle))
    return tuple(matches)


def agreement(
    places: Sequence[Correspondence], controls: Sequence[tuple[Match | None, ...]], grids: Sequence[PatchGrid]
) -> tuple[int, int]:
    """How many matches a control, of `match_place`, puts within a cell of where the places have them, and how many there are."""
    away = [
        np.hypot((match.x - control.x) / grid.cell[0], (match.y - control.y) / grid.cell[1])
        for place, of_place in zip(places, controls)
        for match, control, grid in zip(place.matches, of_place, grids[1:])
        if match is not None and control is not None
    ]
    return int(np.count_nonzero(np.array(away) <= 1)), len(away)


def mutual_neighbours(first: PatchGrid, second: PatchGrid, radius: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """For every place of `first`, row by row: whether its nearest neighbour's nearest is itself, which that is, how similar.

    Args:
        radius: pairs further apart than this, in percent of the second image's width, are none; 0: all are.

    Returns:
        (places,) bool, int64 and float32; places that show nothing are never mutual.
    """
    a, b = (grid.descriptors.flatten(0, 1)[grid.foreground.flatten()] for grid in (first, second))
    apart = _apart(first, second) if radius else None
    forth, best = torch.empty(len(a), dtype=torch.long), torch.empty(len(a))
    back, back_best = torch.zeros(len(b), dtype=torch.long), torch.full((len(b),), -torch.inf)
    rows = max(CHUNK // len(b), 1)
    for start in range(0, len(a), rows):
        similarities = a[start : start + rows] @ b.T
        if apart is not None:
            similarities[apart(start, start + rows) > radius] = -torch.inf
        best[start : start + rows], forth[start : start + rows] = similarities.max(dim=1)
        value, index = similarities.max(dim=0)
        better = value > back_best
        back_best[better], back[better] = value[better], index[better] + start
    mutual = (back[forth] == torch.arange(len(a))) & torch.isfinite(best)
    shown, places = first.foreground.flatten(), second.foreground.flatten().nonzero()[:, 0]
    of_places = [torch.zeros(shown.shape, dtype=kind) for kind in (torch.bool, torch.long, torch.float32)]
    for target, values in zip(of_places, (mutual, places[forth], best)):
        target[shown] = values
    return of_places[0], of_places[1], of_places[2]


def _apart(first: PatchGrid, second: PatchGrid) -> Callable[[int, int], Tensor]:
    """Of shown places of `first` from a number to another, how far shown places of `second` are from the same relative ones.

    In percent of the second image's width, (places of `first`, places of `second`).
    """
    pixels = [grid.pixels(np.argwhere(grid.foreground.numpy())) for grid in (first, second)]
    wanted = torch.from_numpy(same_place(pixels[0], first.box, second.box))
    there = torch.from_numpy(pixels[1])
    return lambda start, end: torch.cdist(wanted[start:end], there) * (100 / second.source.shape[0])


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


def correspondence_rows(places: Sequence[Correspondence], names: Sequence[str]) -> list[dict[str, Any]]:
    """The result's table: of each place a row for the reference and one for each image that shows it."""
    rows = []
    for number, (place, colour) in enumerate(zip(places, distinct(len(places)))):
        found = [match for match in place.matches if match]
        least_sure = min(match.confidence for match in found)
        of_reference = (0, place.x, place.y, 1.0, least_sure, any(match.stayed for match in found))
        of_others = [
            (n, m.x, m.y, m.similarity, m.confidence, m.stayed) for n, m in enumerate(place.matches, start=1) if m
        ]
        rows += [
            dict(zip(COLUMNS, (f"P{number + 1}", n, names[n], x, y, similarity, confidence, mutual, colour)))
            for n, x, y, similarity, confidence, mutual in (of_reference, *of_others)
        ]
    return rows
