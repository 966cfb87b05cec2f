"""Images to another size."""

from __future__ import annotations

import numpy as np


def resized(image: np.ndarray, short_side: int) -> np.ndarray:
    """An image (rows, columns) with its short side at `short_side` pixels, the aspect ratio kept; float32.

    Made smaller, each pixel is the mean of the area it covers, fractions of pixels included; made larger, it is interpolated
    linearly. Pixel x of the result lies at (x + 0.5) * old / new - 0.5 of the source, with the sizes along its own axis.
    """
    scale = short_side / min(image.shape)
    rows, columns = (_weights(n, max(round(n * scale), 1)) for n in image.shape)
    return rows @ image.astype(np.float32, copy=False) @ columns.T


def _weights(old: int, new: int) -> np.ndarray:
    """(new, old) float32, each row of sum 1."""
    step, index = old / new, np.arange(old)
    if new > old:
        centres = np.clip((np.arange(new) + 0.5) * step - 0.5, 0, old - 1)
        return np.clip(1 - np.abs(centres[:, None] - index), 0, None).astype(np.float32)
    edges = np.arange(new + 1) * step
    covered = np.minimum(edges[1:, None], index + 1) - np.maximum(edges[:-1, None], index)
    return (np.clip(covered, 0, None) / step).astype(np.float32)
