"""The warp, one sample at a time: coordinates are walked along rows, nothing as large as the image is made on the way."""

from __future__ import annotations

import functools

import numpy as np

from medssl.distort.counter import compiled


@functools.cache
def spline_weights(side: int, knots: int) -> np.ndarray:
    """Weights (side, knots) float32 of a uniform cubic B-spline whose ends are the first and last voxel.

    Knots beyond the ends repeat the last one, so that rows sum to 1.
    """
    weights = np.zeros((side, knots), np.float32)
    for n in range(side):
        place = n / max(side - 1, 1) * (knots - 1)
        first = min(int(place), knots - 2)
        t = place - first
        taps = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        for offset, tap in zip((-1, 0, 1, 2), taps):
            weights[n, min(max(first + offset, 0), knots - 1)] += tap / 6
    return weights


@compiled
def warp_linear(sample, matrix, bend, bent, wi, wj, wk, out):  # (C, I, J, K), (3, 4), (3, a, b, c), bool, (I, a) …
    """Trilinear interpolation at `matrix` · voxel + bend; beyond the border the border."""
    channels, size_i, size_j, size_k = sample.shape
    x, y, z = np.empty(size_k, np.float32), np.empty(size_k, np.float32), np.empty(size_k, np.float32)
    lines = np.empty((3, bend.shape[3]), np.float32)
    stride_i, stride_j = size_j * size_k, size_k
    flat, results = sample.reshape(channels, -1), out.reshape(channels, -1)
    for i in range(size_i):
        for j in range(size_j):
            _row(matrix, i, j, x, y, z)
            if bent:
                _bend_row(bend, wi[i], wj[j], wk, lines, x, y, z)
            row = i * stride_i + j * stride_j
            for k in range(size_k):
                a = min(max(x[k], np.float32(0)), np.float32(size_i - 1))
                b = min(max(y[k], np.float32(0)), np.float32(size_j - 1))
                c = min(max(z[k], np.float32(0)), np.float32(size_k - 1))
                i0, j0, k0 = np.int64(a), np.int64(b), np.int64(c)
                fa, fb, fc = a - np.float32(i0), b - np.float32(j0), c - np.float32(k0)
                ni = stride_i if i0 + 1 < size_i else 0
                nj = stride_j if j0 + 1 < size_j else 0
                nk = 1 if k0 + 1 < size_k else 0
                at = i0 * stride_i + j0 * stride_j + k0
                for channel in range(channels):
                    values = flat[channel]
                    v00 = values[at] + fc * (values[at + nk] - values[at])
                    v01 = values[at + nj] + fc * (values[at + nj + nk] - values[at + nj])
                    v10 = values[at + ni] + fc * (values[at + ni + nk] - values[at + ni])
                    v11 = values[at + ni + nj] + fc * (values[at + ni + nj + nk] - values[at + ni + nj])
                    low, high = v00 + fb * (v01 - v00), v10 + fb * (v11 - v10)
                    results[channel, row + k] = low + fa * (high - low)


@compiled
def warp_labels(sample, matrix, bend, bent, wi, wj, wk, out):  # as above, of any integer type
    """The label of the nearest voxel; beyond the border the border."""
    channels, size_i, size_j, size_k = sample.shape
    x, y, z = np.empty(size_k, np.float32), np.empty(size_k, np.float32), np.empty(size_k, np.float32)
    lines = np.empty((3, bend.shape[3]), np.float32)
    half = np.float32(0.5)
    for i in range(size_i):
        for j in range(size_j):
            _row(matrix, i, j, x, y, z)
            if bent:
                _bend_row(bend, wi[i], wj[j], wk, lines, x, y, z)
            for k in range(size_k):
                a = np.int64(min(max(x[k] + half, np.float32(0)), np.float32(size_i - 1)))
                b = np.int64(min(max(y[k] + half, np.float32(0)), np.float32(size_j - 1)))
                c = np.int64(min(max(z[k] + half, np.float32(0)), np.float32(size_k - 1)))
                for channel in range(channels):
                    out[channel, i, j, k] = sample[channel, a, b, c]


@compiled
def _row(matrix, i, j, x, y, z):
    """Source coordinates of a row."""
    x0 = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 3]
    y0 = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 3]
    z0 = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 3]
    for k in range(x.size):
        x[k] = x0 + matrix[0, 2] * k
        y[k] = y0 + matrix[1, 2] * k
        z[k] = z0 + matrix[2, 2] * k


@compiled
def _bend_row(bend, wi, wj, wk, lines, x, y, z):
    """Move a row's coordinates by the spline: first over the two outer axes, then along the row."""
    knots = bend.shape[1]
    lines[:] = 0
    for a in range(knots):
        for b in range(knots):
            weight = wi[a] * wj[b]
            if weight != 0:
                for axis in range(3):
                    for c in range(knots):
                        lines[axis, c] += weight * bend[axis, a, b, c]
    for k in range(x.size):
        dx, dy, dz = np.float32(0), np.float32(0), np.float32(0)
        for c in range(knots):
            dx += wk[k, c] * lines[0, c]
            dy += wk[k, c] * lines[1, c]
            dz += wk[k, c] * lines[2, c]
        x[k] += dx
        y[k] += dy
        z[k] += dz
