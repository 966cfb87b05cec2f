"""Where in a radiograph is what lies at a point of another? One comparison with every place."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import InputError
from medssl.images.volume import Volume
from medssl.inference.patch_grid import PatchGrid
from medssl.inspection.anatomy.search_area import Circle, searched

APART = 1.5  # cells: a runner-up is another place, not the same one's neighbour


@dataclass(frozen=True)
class Match:
    """The best place of a similarity map and the best one elsewhere, (x, y) in pixels of the source.

    `confidence` is 1 - (1 - best) / (1 - runner-up), as in Lowe's ratio test (International Journal of Computer Vision 60,
    2004) with cosine distances: 0 where the runner-up is as good, towards 1 where nothing else comes near. Without another
    place there is no runner-up and nothing to be confident about: 0. `stayed` is whether it is still the grid's best place, or lies
    APART from that, as finer cells have it.
    """

    x: float
    y: float
    similarity: float
    runner_up: tuple[float, float] | None
    runner_up_similarity: float | None
    confidence: float
    stayed: bool = True


def similarity_map(grid: PatchGrid, descriptor: Tensor) -> Tensor:
    """Cosine similarities (rows, columns) of every place to a descriptor (D,) of unit length."""
    return grid.descriptors @ descriptor


def best_match(similarities: Tensor, grid: PatchGrid, circle: Circle | None = None) -> Match:
    """The best place of those that are searched, brought between grid places, and the best one APART from it.

    Args:
        similarities: (rows, columns).
        circle: what is searched; None: everywhere.
    """
    places = best_places(similarities, grid, circle, 2)
    best, *others = ((place, float(similarities[tuple(place)])) for place in places)
    x, y = grid.inside(grid.pixels(best[0] + peak_offset(similarities.numpy(), best[0])))
    second = (*grid.pixels(others[0][0]), others[0][1]) if others else None
    return match_of((x, y, best[1]), second)


def best_places(similarities: Tensor, grid: PatchGrid, circle: Circle | None, count: int) -> list[np.ndarray]:
    """Grid places (row, column) of the highest similarities that are APART from each other, the best first; one at least."""
    left = torch.where(searched(grid, circle), similarities, -torch.inf).numpy()
    rows, columns = np.indices(left.shape)
    found: list[np.ndarray] = []
    while len(found) < count:
        place = np.array(np.unravel_index(np.argmax(left), left.shape))
        if found and not np.isfinite(left[tuple(place)]):
            break
        found.append(place)
        across, down = (columns - place[1]) * grid.step[0], (rows - place[0]) * grid.step[1]
        left = np.where(np.hypot(across / grid.cell[0], down / grid.cell[1]) >= APART, left, -np.inf)
    return found


def match_of(best: tuple[float, float, float], second: tuple[float, float, float] | None) -> Match:
    """The match of the best place and the runner-up: x, y and similarity of each."""
    x, y, similarity = map(float, best)
    if second is None:
        return Match(x, y, similarity, None, None, 0.0)
    u, v, runner_up = map(float, second)
    confidence = 0.0 if runner_up >= 1 else float(np.clip(1 - (1 - similarity) / (1 - runner_up), 0, 1))
    return Match(x, y, similarity, (u, v), runner_up, confidence)


def peak_offset(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """From a maximum of (rows, columns) to the vertex of the parabolas through its neighbours, in grid steps.

    At most half a step, and none along an axis where the place is no maximum, lies at the border, or where the vertex would
    be more similar than equal: a cosine of 1 cannot be improved.
    """
    offset = np.zeros(2)
    for axis in (0, 1):
        line = np.take(values, place[1 - axis], axis=1 - axis)
        n = int(place[axis])
        if not 0 < n < len(line) - 1:
            continue
        before, here, after = (float(v) for v in line[n - 1 : n + 2])
        bend = before - 2 * here + after
        if not np.isfinite(bend) or bend >= 0 or here < max(before, after):
            continue
        step = 0.5 * (before - after) / bend
        if here - 0.25 * (before - after) * step <= 1:
            offset[axis] = step
    return offset


def check_point(image: Volume, x: float, y: float, what: str = "point") -> None:
    """Refuse a point outside an image (column, row).

    Raises:
        InputError: it is.
    """
    width, height = image.shape
    if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
        raise InputError(
            f"{what} ({x:g}, {y:g})",
            f"lies outside {image.name or 'the image'} of {width} x {height} pixels",
            "Give column and row, counted from 0",
            code="point-outside",
        )


def match_rows(names: Sequence[str], matches: Sequence[Match]) -> list[dict[str, Any]]:
    """The result's table: a row per image."""
    return [
        {
            "image": number, "name": name, "x": match.x, "y": match.y, "similarity": match.similarity,
            "runner_up_x": match.runner_up[0] if match.runner_up else None,
            "runner_up_y": match.runner_up[1] if match.runner_up else None,
            "runner_up_similarity": match.runner_up_similarity, "confidence": match.confidence,
        }
        for number, (name, match) in enumerate(zip(names, matches))
    ]  # fmt: skip


def map_as_json(number: int, similarities: Tensor, grid: PatchGrid) -> dict[str, Any]:
    """A map as JSON carries it: float32, little-endian, row by row from the top, in base 64."""
    return {
        "image": number, "rows": grid.shape[0], "columns": grid.shape[1], "origin": grid.origin, "step": grid.step,
        "values": base64.b64encode(similarities.numpy().astype("<f4").tobytes()).decode(),
    }  # fmt: skip


def map_as_volume(similarities: Tensor, grid: PatchGrid) -> Volume:
    """A map as an image in its source's place."""
    source = grid.source
    scale, first = np.array([*grid.step, 1.0]), np.array([*grid.origin, 0.0])
    return replace(
        source,
        array=similarities.numpy().T,
        spacing=source.spacing * scale,
        origin=source.origin + source.direction @ (source.spacing * first),
        modality="",
    )
