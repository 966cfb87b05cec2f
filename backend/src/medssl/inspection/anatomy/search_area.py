"""Where a match may lie: everywhere in an image, or near the same relative place.

In images of one projection a place lies nearly at the same share of width and height in all patients, once collimation and
letter boxes are left out. A search that stays
near there cannot miss by far, with any network; so what it finds is held against an untrained network with the same radius.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medssl.images.borders import Box
from medssl.inference.patch_grid import PatchGrid


@dataclass(frozen=True)
class Circle:
    """Pixels (x, y) of an image, and a radius in pixels of its width."""

    x: float
    y: float
    radius: float

    def as_dict(self) -> dict[str, Any]:
        """For a result's info."""
        return asdict(self)


def same_place(points: np.ndarray, source: Box, target: Box) -> np.ndarray:
    """Pixels (..., 2) x and y of an image at the same share of width and height in another one.

    Args:
        source, target: what is looked at of either image.
    """
    return (np.asarray(points, float) + 0.5 - source[:2]) / source[2:] * target[2:] + target[:2] - 0.5


def circle_around(point: np.ndarray, source: PatchGrid, target: PatchGrid, percent: float) -> Circle | None:
    """Where the target is searched for what lies at a pixel of the source; None: everywhere.

    Args:
        percent: radius in percent of the target's width; 0: everywhere.
    """
    if not percent:
        return None
    x, y = same_place(point, source.box, target.box)
    return Circle(float(x), float(y), percent / 100 * target.source.shape[0])


def searched(grid: PatchGrid, circle: Circle | None) -> Tensor:
    """(rows, columns) bool: the places that show something, of those in the circle. Where none does, the nearest that does."""
    if circle is None:
        return grid.foreground
    places = np.moveaxis(np.indices(grid.shape), 0, -1)
    away = torch.from_numpy(np.hypot(*np.moveaxis(grid.pixels(places) - (circle.x, circle.y), -1, 0)))
    shown = away[grid.foreground]
    nearest = float(shown.min()) if len(shown) else np.inf
    return grid.foreground & (away <= max(circle.radius, nearest))
