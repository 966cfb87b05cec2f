"""The shuffle, one sample at a time.

Inside a window of n voxels, voxel x receives the value of voxel π(x): six rounds of swap-or-not (Hoang, Morris and
Rogaway, CRYPTO 2012), then a rotation by a uniform number, which makes every π(x) exactly uniform. Such a permutation is
evaluated at single voxels, so that only those that no later window overwrites cost anything.
"""

from __future__ import annotations

import numpy as np

from medssl.distort.counter import below, below_low, compiled, mix

ROUNDS = 6
WORDS = 4 + ROUNDS  # hashes per window: one for each axis, the rotation, the rounds
LANES = 8  # voxels that one vector instruction permutes
_WORDS, _1, _LOW = np.uint64(WORDS), np.uint64(1), np.uint64(0xFFFFFFFF)
_ONE, _TOP = np.uint32(1), np.uint32(1 << 31)


@compiled
def shuffle(sample, seed, windows, largest, out):  # (C, I, J, K), uint64, int, (3,) uint64, (C, I, J, K)
    """Write the shuffled `sample` to `out`. The last window wins, so they are walked backwards over unowned voxels."""
    shape = np.array(sample.shape[1:]).astype(np.uint64)
    values, results = sample.reshape(sample.shape[0], -1), out.reshape(sample.shape[0], -1)
    owned = np.zeros(values.shape[1], np.bool_)
    room = np.int64(largest[0] * largest[1] * largest[2]) + LANES
    voxels = np.empty(room, np.uint32)  # flat voxel of each place in the window
    target, source = np.empty(room, np.uint32), np.empty(room, np.uint32)  # voxels to fill; places they are filled from
    for window in range(windows - 1, -1, -1):
        counter = np.uint64(window) * _WORDS
        count, open_voxels = _claim(seed, counter, shape, largest, owned, voxels, target, source)
        if open_voxels:
            _permute(seed, counter, count, open_voxels, source)
            for n in range(open_voxels):
                for c in range(values.shape[0]):
                    results[c, target[n]] = values[c, voxels[source[n]]]
    for c in range(values.shape[0]):
        for voxel in range(owned.size):
            if not owned[voxel]:
                results[c, voxel] = values[c, voxel]


@compiled
def _claim(seed, counter, shape, largest, owned, voxels, target, source):
    """List the window's voxels, and mark and list those nobody owns yet; how many there are of each."""
    x, y, z = mix(seed, counter), mix(seed, counter + _1), mix(seed, counter + _1 + _1)
    a, b, c = below(x, largest[0]) + _1, below(y, largest[1]) + _1, below(z, largest[2]) + _1
    i0, j0, k0 = below_low(x, shape[0] - a + _1), below_low(y, shape[1] - b + _1), below_low(z, shape[2] - c + _1)
    count, open_voxels = np.uint32(0), 0
    for i in range(i0, i0 + a):
        for j in range(j0, j0 + b):
            row = (i * shape[1] + j) * shape[2] + k0
            for voxel in range(row, row + c):
                voxels[count] = voxel
                target[open_voxels], source[open_voxels] = voxel, count  # kept only if counted: no branch to mispredict
                open_voxels += 1 - np.int64(owned[voxel])
                owned[voxel] = True
                count += _ONE
    return np.uint32(count), open_voxels


@compiled
def _permute(seed, counter, count, length, places):
    """Replace the first `length` places x by π(x); up to a whole vector more is overwritten."""
    whole = (length + LANES - 1) // LANES * LANES
    for r in range(ROUNDS):
        bits = mix(seed, counter + np.uint64(4 + r))
        pivot, factor = np.uint32(below(bits, np.uint64(count))), np.uint32(bits & _LOW) | _ONE
        for n in range(whole):
            x = places[n]
            partner = np.uint32(pivot - x)
            partner = np.uint32(partner + count) if pivot < x else partner
            pair = x if x > partner else partner  # both members of a pair must reach the same verdict
            places[n] = partner if np.uint32((pair + _ONE) * factor) >= _TOP else x
    turn = np.uint32(below(mix(seed, counter + np.uint64(3)), np.uint64(count)))
    for n in range(length):
        x = np.uint32(places[n] + turn)
        places[n] = np.uint32(x - count) if x >= count else x
