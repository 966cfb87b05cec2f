"""A segmenter that sees no grey value: how often each place of an image was labelled in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medssl.tasks.rivals.label_look import LabelLook, overlaps
from medssl.tasks.rivals.thumbnails import slab_places

MOST_CELLS = 48  # of the grid along an axis
LEVELS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True, eq=False)
class MeanShape:
    """`shares` (C, *cells): how many of the training images show each class in a cell; what reaches `level` is labelled."""

    shares: np.ndarray
    level: float

    def segment(self, shape: Sequence[int]) -> np.ndarray:
        """Class numbers, uint8, of an image of this shape."""
        numbers = np.zeros(tuple(shape), np.uint8)
        weights = [between(n, cells) for n, cells in zip(shape, self.shares.shape[1:])]
        for place, depth in slab_places(shape):
            best = np.full((*shape[:-1], depth), self.level, np.float32)
            here = numbers[..., place : place + depth]
            for number, share in enumerate(self.shares, start=1):
                seen = _spread(share, [*weights[:-1], weights[-1][place : place + depth]])
                here[seen >= best] = number
                np.maximum(best, seen, out=best)
        return numbers


def grid_of(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Cells of the common grid: as many as the middle image has voxels, at most 48."""
    return tuple(int(min(np.median(lengths), MOST_CELLS)) for lengths in zip(*shapes))


def fit_mean_shape(training: Sequence[LabelLook], validation: Sequence[LabelLook]) -> MeanShape:
    """The shares of training, and the level with the best mean Dice on validation."""
    count = training[0].counts.shape[0] - 1
    shares = np.stack([np.mean([one.grid == number for one in training], axis=0) for number in range(1, count + 1)])
    top, best = shares.max(axis=0), (shares.argmax(axis=0) + 1).astype(np.uint8)

    def score(level: float) -> float:
        numbers = np.where(top >= level, best, 0).astype(np.uint8)
        found = np.array([overlaps(numbers, one.grid, count) for one in validation])
        return float(np.nanmean(found)) if not np.isnan(found).all() else 0.0

    level = max(LEVELS, key=score)
    return MeanShape(shares.astype(np.float32), float(level))


def between(length: int, cells: int) -> np.ndarray:
    """(length, cells): the linear interpolation from the middles of cells to voxels; rows sum to 1."""
    place = ((np.arange(length) + 0.5) * cells / length - 0.5).clip(0, cells - 1)
    first = np.minimum(place.astype(int), max(cells - 2, 0))
    weights = np.zeros((length, cells), np.float32)
    rows, share = np.arange(length), (place - first).astype(np.float32)
    weights[rows, first] = 1 - share
    weights[rows, np.minimum(first + 1, cells - 1)] += share
    return weights


def _spread(share: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """The shares (*cells) at every voxel."""
    for axis, weight in reversed(list(enumerate(weights))):
        share = np.moveaxis(np.tensordot(weight, share, (1, axis)), 0, axis)
    return share
