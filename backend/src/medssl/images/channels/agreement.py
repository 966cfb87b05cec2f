"""Would two images agree better if one were moved? Mutual information over small moves, for images of any modality."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from medssl.images.channels.onto import image_of, reference
from medssl.images.resampling import resample
from medssl.images.volume import Volume

CELLS = 24  # along the shorter sides of the field at least, where that takes cells of no more than ...
FINEST, COARSEST = 1.0, 4.0  # mm
STEPS = (4, 2, 1)  # cells that are tried, the larger first
FARTHEST = 12  # cells
BINS = 24
LEAST = 500  # cells that both images must show


def best_move(grid: Volume, channel: Volume) -> tuple[float, float]:
    """How far `channel` would have to be moved to agree best with `grid`, in mm, and the factor by which it then agrees better.

    Agreement is the normalised mutual information (Studholme et al., Pattern Recognition 32, 1999, less 1) over cells of 1 to 4 mm
    that both show; moves along the world's axes are climbed greedily. It finds a case that was never registered, not the last
    millimetre. (0, 1) where nothing is better, or where the images share too little to tell.
    """
    sides = np.sort(grid.spacing * np.array(grid.shape))
    cell = float(np.clip(sides[1] / CELLS, FINEST, COARSEST))
    fixed = resample(replace(grid, array=grid.array.astype(np.float32), further=()), (cell,) * 3, "linear")
    moving = resample(replace(channel, array=channel.array.astype(np.float32), further=()), (cell,) * 3, "linear")
    ranks = _ranks(fixed.array)
    look = _Looked(ranks, reference(fixed), image_of(moving.array, moving), float(moving.array.min()), cell)
    start = look.at((0, 0, 0))
    if start <= 0:
        return 0.0, 1.0
    best: tuple[int, ...] = (0, 0, 0)
    for step in STEPS:
        while True:
            near = [
                tuple(best[a] + sign * step * (a == axis) for a in range(3)) for axis in range(3) for sign in (1, -1)
            ]
            found = max((one for one in near if max(map(abs, one)) <= FARTHEST), key=look.at)
            if look.at(found) <= look.at(best):
                break
            best = found
    return cell * float(np.linalg.norm(best)), look.at(best) / start


class _Looked:
    """The agreement at each move that was asked for, in cells; -1 where the images share less than half of what they did."""

    def __init__(self, ranks: np.ndarray, grid: sitk.Image, moving: sitk.Image, lowest: float, cell: float) -> None:
        self._ranks, self._grid, self._moving, self._cell = ranks, grid, moving, cell
        self._outside, self._shared = lowest - 1.0, LEAST
        self._known: dict[tuple[int, ...], float] = {}

    def at(self, move: tuple[int, ...]) -> float:
        if move not in self._known:
            shift = sitk.TranslationTransform(3, [self._cell * n for n in move])
            found = sitk.GetArrayFromImage(
                sitk.Resample(self._moving, self._grid, shift, sitk.sitkLinear, self._outside - 1.0)
            ).T
            held = found > self._outside
            count = int(held.sum())
            self._known[move] = _agreement(self._ranks[held], _ranks(found[held])) if count >= self._shared else -1.0
            if not any(move):
                self._shared = max(count // 2, LEAST)
        return self._known[move]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Values as numbers 0...BINS - 1 of bins of equal width between the percentiles 0.5 and 99.5."""
    low, high = np.percentile(values, (0.5, 99.5))
    return ((values - low) * (BINS / max(high - low, 1e-6))).clip(0, BINS - 1).astype(np.int64)


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    joint = np.bincount(one * BINS + other, minlength=BINS * BINS).reshape(BINS, BINS) / max(one.size, 1)
    total = _entropy(joint)
    return (_entropy(joint.sum(0)) + _entropy(joint.sum(1))) / total - 1.0 if total > 0 else 0.0


def _entropy(shares: np.ndarray) -> float:
    held = shares[shares > 0]
    return float(-(held * np.log(held)).sum())
