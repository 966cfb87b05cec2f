"""How much of a volume another one covers, from their geometry alone."""

from __future__ import annotations

import numpy as np

from medssl.images.volume import Volume


def uncovered_share(grid: Volume, channel: Volume) -> float:
    """The share 0...1 of the voxels of `grid` whose centre lies outside the edges of `channel`; no voxel is read."""
    matrix, start = _indices(grid, channel)
    axes = [np.arange(n) for n in grid.shape]
    inside = 0
    for k in axes[2]:
        held = np.ones(grid.shape[:2], bool)
        for axis, length in enumerate(channel.shape):
            place = matrix[axis, 0] * axes[0][:, None] + (matrix[axis, 1] * axes[1] + matrix[axis, 2] * k + start[axis])
            held &= (place >= -0.5) & (place <= length - 0.5)
        inside += int(held.sum())
    return 1.0 - inside / float(np.prod(grid.shape))


def same_grid(one: Volume, other: Volume) -> bool:
    """Whether the voxels of two volumes lie on each other, to a hundredth of a voxel at every corner."""
    if one.shape != other.shape:
        return False
    matrix, start = _indices(one, other)
    last = np.array(one.shape) - 1
    drift = np.abs(matrix - np.eye(3)) * last
    return bool((np.abs(start) + drift.sum(axis=1) < 1e-2).all())


def _indices(grid: Volume, channel: Volume) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) and (3,): from voxel indices of one to continuous voxel indices of the other."""
    into = np.linalg.inv(channel.direction * channel.spacing)
    return into @ (grid.direction * grid.spacing), into @ (grid.origin - channel.origin)
