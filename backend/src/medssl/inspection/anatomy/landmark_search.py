"""Landmarks of one patient looked for in another: every ordered pair of images, one or more models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import ConfigError
from medssl.evaluation.landmark_errors import CLIP, Distances
from medssl.images.borders import Box
from medssl.inference.fine_patches import FinePatches
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.refinement import refined_match
from medssl.inspection.anatomy.search_area import Circle, same_place, searched
from medssl.inspection.anatomy.similarity import peak_offset

LandmarkPoints = dict[str, tuple[float, float]]
QUERIES = 256  # compared with an image at a time


@dataclass(frozen=True)
class Query:
    """One landmark, known in two images of different patients: numbers of source and target image."""

    source: int
    target: int
    landmark: str


@dataclass(frozen=True)
class Frame:
    """What turns pixels of an image into distances: its size, a pixel's sides in mm, and a cell's in pixels (x, y each).

    `box` is what is looked at of the image.
    """

    size: tuple[int, int]
    spacing: tuple[float, float]
    cell: tuple[float, float]
    box: Box


def make_queries(
    landmarks: dict[int, LandmarkPoints], patients: Sequence[str], pairs: int = 0, seed: int = 0
) -> list[Query]:
    """All landmarks of all ordered pairs of images of different patients.

    Args:
        landmarks: of each image, by its number.
        patients: of every image.
        pairs: take this many pairs at random; 0 takes all.
        seed: of the choice.

    Raises:
        ConfigError: fewer than 0 pairs.
    """
    if pairs < 0:
        raise ConfigError(f"pairs = {pairs}", "must not be below 0", "0 takes all")
    images = sorted(landmarks)
    found = [
        (a, b) for a in images for b in images if patients[a] != patients[b] and landmarks[a].keys() & landmarks[b]
    ]
    if 0 < pairs < len(found):
        chosen = np.random.default_rng(seed).choice(len(found), pairs, replace=False)
        found = [found[n] for n in sorted(chosen)]
    return [Query(a, b, name) for a, b in found for name in landmarks[a] if name in landmarks[b]]


def find_landmarks(
    queries: Sequence[Query],
    landmarks: dict[int, LandmarkPoints],
    grid_of: Callable[[int], PatchGrid],
    progress: Callable[[float], None] = lambda share: None,
    radius: float = 0.0,
    finer: Callable[[int], FinePatches] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where a model finds each landmark: the most similar place of the target, brought between grid places.

    Args:
        grid_of: the patch grid of an image; asked twice for each, one after another, so that few need to be in memory.
        radius: of the search around the same relative place, in percent of the target's width; 0: everywhere.
        finer: what the network says of an image between grid places, asked as `grid_of`; None: matches stay coarse.
        progress: called with the share done; may raise to stop.

    Returns:
        (queries, 2) x and y in pixels of the targets, and (queries,) similarities.
    """
    sources = sorted({query.source for query in queries})
    known: dict[tuple[int, str], _Known] = {}
    for n, image in enumerate(sources):
        progress((0.3 if finer else 0.7) * n / len(sources))
        known |= _describe(grid_of(image), image, landmarks[image], finer)
    places, similarities = np.empty((len(queries), 2)), np.empty(len(queries))
    targets = sorted({query.target for query in queries})
    by_target: dict[int, list[int]] = {image: [] for image in targets}
    for number, query in enumerate(queries):
        by_target[query.target].append(number)
    begun = 0.3 if finer else 0.7
    for n, image in enumerate(targets):
        progress(begun + (1 - begun) * n / len(targets))
        grid, numbers = grid_of(image), by_target[image]
        close = finer(image) if finer else None
        for start in range(0, len(numbers), QUERIES):
            some = numbers[start : start + QUERIES]
            wanted = [known[queries[q].source, queries[q].landmark] for q in some]
            places[some], similarities[some] = _best_places(grid, wanted, radius, close)
    return places, similarities


@dataclass(frozen=True)
class _Known:
    """A landmark of a source: its descriptor (D,), its share of what is looked at, and descriptors (3, 3, D) of its cell."""

    descriptor: Tensor
    share: np.ndarray
    cell: Tensor | None


def _describe(
    grid: PatchGrid, image: int, points: LandmarkPoints, finer: Callable[[int], FinePatches] | None
) -> dict[tuple[int, str], _Known]:
    pixels = np.array(list(points.values()))
    close = finer(image) if finer else None
    shares = (pixels + 0.5 - grid.box[:2]) / grid.box[2:]
    cells = [close.at(pixel) if close else None for pixel in pixels]
    return {(image, name): _Known(*one) for name, one in zip(points, zip(grid.at(pixels), shares, cells))}


def same_coordinates(
    queries: Sequence[Query], landmarks: dict[int, LandmarkPoints], frames: dict[int, Frame]
) -> np.ndarray:
    """(queries, 2): the answer without looking, the same relative place as in the source."""
    return np.array(
        [
            same_place(np.array(landmarks[q.source][q.landmark]), frames[q.source].box, frames[q.target].box)
            for q in queries
        ]
    )


def errors_of(
    places: np.ndarray,
    queries: Sequence[Query],
    landmarks: dict[int, LandmarkPoints],
    frames: dict[int, Frame],
    unit: str,
) -> Distances:
    """Distances from the true places in mm or percent of the image's width, and in cells."""
    truth = np.array([landmarks[q.target][q.landmark] for q in queries])
    of_target = [frames[q.target] for q in queries]
    scale = np.array([f.spacing if unit == "mm" else (100 / f.size[0], 100 / f.size[0]) for f in of_target])
    away, cells = places - truth, np.array([f.cell for f in of_target])
    limit = CLIP * scale[:, 0] * [f.size[0] for f in of_target]
    return Distances(np.hypot(*(away * scale).T), np.hypot(*(away / cells).T), limit)


def _best_places(
    grid: PatchGrid, wanted: Sequence[_Known], radius: float, close: FinePatches | None
) -> tuple[np.ndarray, np.ndarray]:
    """x and y (Q, 2) of the most similar places to landmarks, and their similarities."""
    maps = torch.einsum("rcd,qd->qrc", grid.descriptors, torch.stack([one.descriptor for one in wanted]))
    circles = [_circle(one.share, grid, radius) for one in wanted]
    if close is not None:
        found = [
            refined_match(one.cell, close, of_map, grid, circle)  # type: ignore[arg-type]  # there where `close` is
            for one, of_map, circle in zip(wanted, maps, circles)
        ]
        return np.array([(match.x, match.y) for match in found]), np.array([match.similarity for match in found])
    shown = torch.stack([torch.where(searched(grid, c), of_map, -torch.inf) for of_map, c in zip(maps, circles)])
    best, index = shown.flatten(1).max(dim=1)
    grid_places = np.stack(np.unravel_index(index.numpy(), grid.shape), axis=1)
    between = [place + peak_offset(one, place) for one, place in zip(maps.numpy(), grid_places)]
    return grid.inside(grid.pixels(np.array(between))), best.numpy()


def _circle(share: np.ndarray, grid: PatchGrid, percent: float) -> Circle | None:
    """What is searched around a share of what is looked at; None: everywhere."""
    x, y = share * grid.box[2:] + grid.box[:2] - 0.5
    return Circle(float(x), float(y), percent / 100 * grid.source.shape[0]) if percent else None
