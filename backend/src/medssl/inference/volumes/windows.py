"""Where windows lie that cover an image, and what they see."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def window_starts(length: int, size: int, overlap: float) -> list[int]:
    """First voxels of windows that cover an axis; the last one ends at the border, or beyond it on a short axis."""
    step = max(int(size * (1 - overlap)), 1)
    starts = list(range(0, max(length - size, 0) + 1, step))
    return starts if starts[-1] + size >= length else [*starts, length - size]


def nearest_parts(starts: Sequence[int], size: int, length: int) -> list[slice]:
    """The part of an axis of `length` whose voxels are nearest to each window's middle: together they cover it once."""
    ends = [(start + following + size) // 2 for start, following in itertools.pairwise(starts)]
    return [slice(first, last) for first, last in zip([0, *ends], [*ends, length])]


def read_box(image: np.ndarray, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """The box as float32, padded with 0 where it reaches beyond the far borders."""
    box = image[tuple(slice(a, a + side) for a, side in zip(start, size))]
    if box.shape == tuple(size):
        return np.asarray(box, np.float32)
    return np.pad(box, [(0, side - n) for side, n in zip(size, box.shape)]).astype(np.float32)
