"""Images to another size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def resized(image: np.ndarray, short_side: int) -> np.ndarray:
    """An image (rows, columns) with its short side at `short_side` pixels, the aspect ratio kept; float32.

    Made smaller, each pixel is the mean of the area it covers, fractions of pixels included; made larger, it is interpolated
    linearly. Pixel x of the result lies at (x + 0.5) * old / new - 0.5 of the source, with the sizes along its own axis.
    """
    rows, columns = map(_weights, image.shape, aspect_kept(image.shape, short_side))
    return rows @ image.astype(np.float32, copy=False) @ columns.T


def resized_to(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """An array of any axes with another length along each, float32; the aspect ratio is whatever follows.

    Along each axis as in `resized`: means of what is covered, or linear interpolation.
    """
    result = array.astype(np.float32, copy=False)
    for axis, (old, new) in enumerate(zip(array.shape, shape, strict=True)):
        if old != new:
            result = np.moveaxis(np.tensordot(_weights(old, new), result, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(result)


def nearest(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A label map (rows, columns) or (i, j, k) with another length along each axis: the label at each new centre."""
    places = [np.minimum(((np.arange(m) + 0.5) * n / m).astype(int), n - 1) for n, m in zip(labels.shape, shape)]
    return labels[np.ix_(*places)]


def aspect_kept(shape: tuple[int, int], short_side: int) -> tuple[int, int]:
    """The shape of an image once its short side has so many pixels."""
    scale = short_side / min(shape)
    rows, columns = (max(round(n * scale), 1) for n in shape)
    return rows, columns


def _weights(old: int, new: int) -> np.ndarray:
    """(new, old) float32, each row of sum 1."""
    step, index = old / new, np.arange(old)
    if new > old:
        centres = np.clip((np.arange(new) + 0.5) * step - 0.5, 0, old - 1)
        return np.clip(1 - np.abs(centres[:, None] - index), 0, None).astype(np.float32)
    edges = np.arange(new + 1) * step
    covered = np.minimum(edges[1:, None], index + 1) - np.maximum(edges[:-1, None], index)
    return (np.clip(covered, 0, None) / step).astype(np.float32)
