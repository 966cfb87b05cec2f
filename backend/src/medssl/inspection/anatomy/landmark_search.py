"""Landmarks of one patient looked for in another: every ordered pair of images, one or more models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import ConfigError
from medssl.inference.patch_grid import PatchGrid
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
    """What turns pixels of an image into distances: its size, a pixel's sides in mm, and a cell's in pixels (x, y each)."""

    size: tuple[int, int]
    spacing: tuple[float, float]
    cell: tuple[float, float]


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
) -> tuple[np.ndarray, np.ndarray]:
    """Where a model finds each landmark: the most similar place of the target, refined between grid places.

    Args:
        grid_of: the patch grid of an image; asked twice for each, one after another, so that few need to be in memory.
        progress: called with the share done; may raise to stop.

    Returns:
        (queries, 2) x and y in pixels of the targets, and (queries,) similarities.
    """
    sources = sorted({query.source for query in queries})
    descriptors: dict[tuple[int, str], Tensor] = {}
    for n, image in enumerate(sources):
        progress(0.7 * n / len(sources))
        names = list(landmarks[image])
        found = grid_of(image).at(np.array([landmarks[image][name] for name in names]))
        descriptors |= {(image, name): one for name, one in zip(names, found)}
    places, similarities = np.empty((len(queries), 2)), np.empty(len(queries))
    targets = sorted({query.target for query in queries})
    by_target: dict[int, list[int]] = {image: [] for image in targets}
    for number, query in enumerate(queries):
        by_target[query.target].append(number)
    for n, image in enumerate(targets):
        progress(0.7 + 0.3 * n / len(targets))
        grid, numbers = grid_of(image), by_target[image]
        for start in range(0, len(numbers), QUERIES):
            some = numbers[start : start + QUERIES]
            wanted = torch.stack([descriptors[queries[q].source, queries[q].landmark] for q in some])
            places[some], similarities[some] = _best_places(grid, wanted)
    return places, similarities


def same_coordinates(
    queries: Sequence[Query], landmarks: dict[int, LandmarkPoints], frames: dict[int, Frame]
) -> np.ndarray:
    """(queries, 2): the answer without looking, the same relative place as in the source."""
    return np.array(
        [
            (np.array(landmarks[q.source][q.landmark]) + 0.5) / frames[q.source].size * frames[q.target].size - 0.5
            for q in queries
        ]
    )


def errors_of(
    places: np.ndarray,
    queries: Sequence[Query],
    landmarks: dict[int, LandmarkPoints],
    frames: dict[int, Frame],
    unit: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (queries,) from the true places in mm or percent of the image's width, and in cells."""
    truth = np.array([landmarks[q.target][q.landmark] for q in queries])
    of_target = [frames[q.target] for q in queries]
    scale = np.array([f.spacing if unit == "mm" else (100 / f.size[0], 100 / f.size[0]) for f in of_target])
    away, cells = places - truth, np.array([f.cell for f in of_target])
    return np.hypot(*(away * scale).T), np.hypot(*(away / cells).T)


def _best_places(grid: PatchGrid, wanted: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """x and y (Q, 2) of the most similar places to descriptors (Q, D), and their similarities."""
    maps = torch.einsum("rcd,qd->qrc", grid.descriptors, wanted)
    shown = torch.where(grid.foreground, maps, -torch.inf).flatten(1)
    best, index = shown.max(dim=1)
    grid_places = np.stack(np.unravel_index(index.numpy(), grid.shape), axis=1)
    refined = [place + peak_offset(one, place) for one, place in zip(maps.numpy(), grid_places)]
    return grid.pixels(np.array(refined)), best.numpy()
