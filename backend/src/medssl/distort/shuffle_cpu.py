"""The shuffle, one cube at a time.

Inside a window of n voxels, voxel x receives the value of voxel π(x): six rounds of swap-or-not (Hoang, Morris and
Rogaway, CRYPTO 2012), then a rotation by a uniform number, which makes every π(x) exactly uniform. Such a permutation is
evaluated at single voxels, so that only those that no later window overwrites cost anything.
"""

from __future__ import annotations

import numpy as np

from medssl.distort.counter import below, below_low, compiled, mix

ROUNDS = 6
WORDS = 4 + ROUNDS  # hashes per window: one for each axis, the rotation, the rounds
_WORDS, _1, _4, _31 = np.uint64(WORDS), np.uint64(1), np.uint64(4), np.uint64(31)
_LOW = np.uint64(0xFFFFFFFF)


@compiled
def shuffle(cube, seed, windows, largest, out):  # (C, I, J, K), uint64, int, (3,) uint64, (C, I, J, K)
    """Write the shuffled `cube` to `out`. The last window wins, so they are walked backwards over unowned voxels."""
    shape = cube.shape[1:]
    owned = np.zeros(shape, np.bool_)
    start, size = np.empty(3, np.int64), np.empty(3, np.int64)
    pivots, factors = np.empty(ROUNDS, np.uint64), np.empty(ROUNDS, np.uint64)
    for window in range(windows - 1, -1, -1):
        counter = np.uint64(window) * _WORDS
        for axis in range(3):
            bits = mix(seed, counter + np.uint64(axis))
            side = below(bits, largest[axis]) + _1
            size[axis] = side
            start[axis] = below_low(bits, np.uint64(shape[axis]) - side + _1)
        count = np.uint64(size[0] * size[1] * size[2])
        turn = below(mix(seed, counter + np.uint64(3)), count)
        for r in range(ROUNDS):
            bits = mix(seed, counter + _4 + np.uint64(r))
            pivots[r], factors[r] = below(bits, count), (bits & _LOW) | _1
        _fill(cube, out, owned, start, size, turn, pivots, factors)
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                if not owned[i, j, k]:
                    for c in range(cube.shape[0]):
                        out[c, i, j, k] = cube[c, i, j, k]


@compiled
def _fill(cube, out, owned, start, size, turn, pivots, factors):
    count, slab, row = np.uint64(size[0] * size[1] * size[2]), np.uint32(size[1] * size[2]), np.uint32(size[2])
    place = np.uint64(0)
    for i in range(start[0], start[0] + size[0]):
        for j in range(start[1], start[1] + size[1]):
            for k in range(start[2], start[2] + size[2]):
                if not owned[i, j, k]:
                    owned[i, j, k] = True
                    source = np.uint32(_permute(place, count, turn, pivots, factors))
                    a, rest = source // slab, source % slab
                    b, d = rest // row, rest % row
                    for c in range(cube.shape[0]):
                        out[c, i, j, k] = cube[c, start[0] + a, start[1] + b, start[2] + d]
                place += _1


@compiled
def _permute(x, count, turn, pivots, factors):
    for r in range(ROUNDS):
        pivot = pivots[r]
        partner = pivot - x if pivot >= x else pivot + count - x
        pair = max(x, partner)  # both members of a pair must reach the same verdict
        swap = (((pair + _1) * factors[r]) >> _31) & _1
        x = partner if swap else x
    x += turn
    return x - count if x >= count else x
