"""Where in a radiograph is what lies at a point of another? One comparison with every place."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import InputError
from medssl.images.volume import Volume
from medssl.inference.patch_grid import PatchGrid

APART = 1.5  # cells: a runner-up is another place, not the same one's neighbour


@dataclass(frozen=True)
class Match:
    """The best place of a similarity map and the best one elsewhere, (x, y) in pixels of the source.

    `confidence` is 1 - (1 - best) / (1 - runner-up), as in Lowe's ratio test (International Journal of Computer Vision 60,
    2004) with cosine distances: 0 where the runner-up is as good, towards 1 where nothing else comes near. Without another
    place there is no runner-up and nothing to be confident about: 0.
    """

    x: float
    y: float
    similarity: float
    runner_up: tuple[float, float] | None
    runner_up_similarity: float | None
    confidence: float


def similarity_map(grid: PatchGrid, descriptor: Tensor) -> Tensor:
    """Cosine similarities (rows, columns) of every place to a descriptor (D,) of unit length."""
    return grid.descriptors @ descriptor


def best_match(similarities: Tensor, grid: PatchGrid) -> Match:
    """The best place among those that show something, refined between grid places, and the best one APART from it.

    Args:
        similarities: (rows, columns).
    """
    shown = torch.where(grid.foreground, similarities, -torch.inf).numpy()
    place = np.array(np.unravel_index(np.argmax(shown), shown.shape))
    best = float(shown[tuple(place)])
    x, y = grid.pixels(place + peak_offset(similarities.numpy(), place))
    rows, columns = np.indices(shown.shape)
    far = np.hypot((columns - place[1]) * grid.step[0] / grid.cell[0], (rows - place[0]) * grid.step[1] / grid.cell[1])
    others = np.where(far >= APART, shown, -np.inf)
    if not np.isfinite(others).any():
        return Match(float(x), float(y), best, None, None, 0.0)
    second = np.array(np.unravel_index(np.argmax(others), others.shape))
    runner_up = float(others[tuple(second)])
    confidence = 0.0 if runner_up >= 1 else float(np.clip(1 - (1 - best) / (1 - runner_up), 0, 1))
    u, v = grid.pixels(second)
    return Match(float(x), float(y), best, (float(u), float(v)), runner_up, confidence)


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
        if bend >= 0 or here < max(before, after):
            continue
        step = 0.5 * (before - after) / bend
        if here - 0.25 * (before - after) * step <= 1:
            offset[axis] = step
    return offset


def find_point(grids: list[PatchGrid], source: int, x: float, y: float) -> tuple[list[Tensor], list[Match]]:
    """Similarity maps and best matches, in every image, of what lies at (x, y) of image `source`.

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
    maps = [similarity_map(grid, descriptor) for grid in grids]
    return maps, [best_match(found, grid) for found, grid in zip(maps, grids)]


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


def match_row(number: int, name: str, match: Match) -> dict[str, Any]:
    """A row of the result's table."""
    u, v = match.runner_up or (None, None)
    return {
        "image": number, "name": name, "x": match.x, "y": match.y, "similarity": match.similarity,
        "runner_up_x": u, "runner_up_y": v, "runner_up_similarity": match.runner_up_similarity,
        "confidence": match.confidence,
    }  # fmt: skip


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
