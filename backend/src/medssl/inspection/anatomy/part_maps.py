"""From similarities on a grid to labels of every pixel."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from medssl.inference.patch_grid import PatchGrid

VALUES = 2**25  # interpolated at a time
WINDOW = 0.5  # of a grid step: side of the majority filter


def label_map(similarities: Tensor, labels: np.ndarray, grid: PatchGrid) -> np.ndarray:
    """The label of the most similar class at each pixel, (columns, rows) uint8 of the source's size.

    Similarities are interpolated linearly between grid places; a majority filter half a grid step wide takes away what
    sticks out of the borders. Pixels outside the grid, or where cells show nothing, get 0.

    Args:
        similarities: (grid rows, grid columns, classes).
        labels: (classes,) uint8.
    """
    width, height = grid.source.shape
    down, across = (_weights(length, grid, axis) for axis, length in ((1, height), (0, width)))
    classes = similarities.permute(2, 0, 1)  # (classes, grid rows, grid columns)
    shown = down @ grid.foreground.float() @ across.T >= 0.5
    out = torch.empty(height, width, dtype=torch.uint8)
    of_class = torch.from_numpy(labels)
    rows = max(VALUES // (len(classes) * width), 1)
    for start in range(0, height, rows):
        part = slice(start, start + rows)
        out[part] = of_class[(down[part] @ classes @ across.T).argmax(dim=0)]
    side = max(int(WINDOW * min(grid.step)) // 2 * 2 + 1, 1)
    smooth = majority(out.numpy(), side)
    return np.where(shown.numpy(), smooth, 0).astype(np.uint8).T


def majority(labels: np.ndarray, side: int) -> np.ndarray:
    """The most frequent label within `side` x `side` pixels around each; of equally frequent ones the smallest."""
    best, most = np.zeros_like(labels), np.zeros(labels.shape, np.float32)
    for label in np.unique(labels):
        share = ndimage.uniform_filter((labels == label).astype(np.float32), side, mode="nearest")
        better = share > most + 1e-6
        best[better], most[better] = label, share[better]
    return best


def _weights(length: int, grid: PatchGrid, axis: int) -> Tensor:
    """(pixels, grid places) of linear interpolation along an axis (0: x); rows of zeros outside the grid."""
    places = grid.shape[1 - axis]
    where = (torch.arange(length) - grid.origin[axis]) / grid.step[axis]
    inside = (where >= -0.5) & (where < places - 0.5)
    distance = (where.clamp(0, places - 1)[:, None] - torch.arange(places)).abs()
    return (1 - distance).clamp(min=0) * inside[:, None]
