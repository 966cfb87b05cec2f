"""A network over a whole volume: overlapping windows, blended.

Own code rather than MONAI's inferer: importing that takes six seconds before the first answer, and because windows lie on
a grid and Gaussian weights separate, each axis can be normalised by itself: no second volume of weights is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

SHARPNESS = 8  # window side over the Gaussian's sigma
LEAST_WEIGHT = 1e-3  # of the centre's, so that a voxel seen only by a corner is still well defined


def apply_windows(
    image: np.ndarray,
    network: Callable[[Tensor], Tensor],
    size: Sequence[int],
    overlap: float = 0.25,
    batch: int = 1,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Run `network` over `image` in windows of `size` and blend the answers.

    Args:
        image: (*spatial), float32 0…1; may be mapped from disk, only windows are read. Where it is smaller than a window
            it is padded with 0.
        network: (N, 1, *size) to the same shape, on `device`.
        overlap: share of a window that its neighbour sees too, 0 ≤ overlap < 1.
        batch: windows at a time.
        progress: called with (windows done, windows) after each batch; may raise to stop.

    Returns:
        (*spatial) float32, in memory of the CPU.
    """
    places = [window_starts(n, side, overlap) for n, side in zip(image.shape, size)]
    weights = [blend_weights(starts, side) for starts, side in zip(places, size)]
    numbers = list(itertools.product(*(range(len(starts)) for starts in places)))
    out = np.zeros(image.shape, np.float32)
    for first in range(0, len(numbers), batch):
        group = numbers[first : first + batch]
        boxes = [[starts[n] for starts, n in zip(places, number)] for number in group]
        windows = torch.from_numpy(np.stack([read_box(image, box, size) for box in boxes]))[:, None]
        with torch.inference_mode():
            answers = network(windows.to(device)).float().cpu().numpy()[:, 0]
        for number, box, answer in zip(group, boxes, answers):
            for axis, n in enumerate(number):
                answer = answer * weights[axis][n].reshape([-1 if a == axis else 1 for a in range(answer.ndim)])
            inside = tuple(slice(a, min(a + side, n)) for a, side, n in zip(box, size, image.shape))
            out[inside] += answer[tuple(slice(0, s.stop - s.start) for s in inside)]
        if progress is not None:
            progress(min(first + batch, len(numbers)), len(numbers))
    return out


def window_starts(length: int, size: int, overlap: float) -> list[int]:
    """First voxels of windows that cover an axis; the last one ends at the border, or beyond it on a short axis."""
    step = max(int(size * (1 - overlap)), 1)
    starts = list(range(0, max(length - size, 0) + 1, step))
    return starts if starts[-1] + size >= length else [*starts, length - size]


def blend_weights(starts: Sequence[int], size: int) -> np.ndarray:
    """Gaussian weights of each window along one axis, (windows, size), that sum to 1 at every voxel."""
    place = (np.arange(size) - (size - 1) / 2) * SHARPNESS / size
    bump = np.maximum(np.exp(-(place**2) / 2), LEAST_WEIGHT)
    total = np.zeros(starts[-1] + size)
    for start in starts:
        total[start : start + size] += bump
    return np.stack([bump / total[start : start + size] for start in starts]).astype(np.float32)


def read_box(image: np.ndarray, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """The box as float32, padded with 0 where it reaches beyond the far borders."""
    box = image[tuple(slice(a, a + side) for a, side in zip(start, size))]
    if box.shape == tuple(size):
        return np.asarray(box, np.float32)
    return np.pad(box, [(0, side - n) for side, n in zip(size, box.shape)]).astype(np.float32)
