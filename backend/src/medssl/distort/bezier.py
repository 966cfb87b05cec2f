"""Non-linear intensity: push the values of a sample through a random monotonic curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medssl.distort.counter import compiled
from medssl.distort.params import Params
from medssl.distort.samples import apply_on_device, map_samples, on_cpu

CURVE, TABLE = 1025, 2049  # points along the curve; equidistant inputs of the table made from it
SMALLEST_STEP = 1e-12  # a curve may be vertical
_T = np.linspace(0, 1, CURVE)
_BASIS = np.array(
    [3 * _T * (1 - _T) ** 2, 3 * _T**2 * (1 - _T), _T**3], np.float32
)  # of P1, P2 and the end point (1, 1)


@dataclass(frozen=True)
class BezierParams(Params):
    """`points` (N, 2, 2): P1 and P2, each (x, y) in 0…1; `inverted` (N,) bool: bright becomes dark."""

    points: Tensor
    inverted: Tensor


class BezierIntensity:
    """A cubic Bézier curve through (0, 0), P1, P2, (1, 1) maps the intensities; half of the curves are mirrored.

    P1 and P2 are uniform in the unit square (Zhou et al., Medical Image Analysis 67, 2021). With control points in the
    unit square x(t) never decreases, so that sorting the samples of a curve, as the released generator does, only
    decides their direction: y(t) against x(t), or, mirrored, y(1 − t) against x(t).

    Args:
        strength: 0…1; the control points move from the identity line (0) to where they were drawn (1), and a curve is
            mirrored with probability strength / 2.
        inversion: False: no curve is mirrored, so that brighter stays brighter.
    """

    name = "bezier"

    def __init__(self, strength: float = 1.0, inversion: bool = True) -> None:
        self.strength, self.inversion = strength, inversion

    def draw(self, batch: Tensor, generator: torch.Generator) -> BezierParams:
        """Control points and direction of each sample's curve."""
        device, count = batch.device, len(batch)
        drawn = torch.rand((count, 2, 2), generator=generator, device=device)
        identity = torch.tensor([1 / 3, 2 / 3], device=device)[:, None]  # both points on the diagonal: y = x
        inverted = torch.rand(count, generator=generator, device=device) < self.strength / 2 * self.inversion
        return BezierParams(identity + self.strength * (drawn - identity), inverted)

    def apply(self, batch: Tensor, params: BezierParams, where: Tensor | None = None) -> Tensor:
        """Map every sample of `batch` (N, C, *spatial) through its own curve."""
        if not on_cpu(batch):
            return apply_on_device(batch, params, where, _apply_device)
        points, inverted = params.points.numpy(), params.inverted.numpy()
        return map_samples(batch, where, lambda n, sample, out: _apply_cpu(sample, points[n], inverted[n], _BASIS, out))


def curve_tables(params: BezierParams) -> Tensor:
    """The curves at TABLE equidistant inputs from 0 to 1: (N, TABLE)."""
    points, device = params.points, params.points.device
    first, second, last = torch.from_numpy(_BASIS).to(device)
    x, y = (points[:, 0, c, None] * first + points[:, 1, c, None] * second + last for c in range(2))  # (N, CURVE)
    x = x.cummax(1).values  # it never decreases but for rounding
    y = torch.where(params.inverted[:, None], y.flip(1), y)
    grid = (torch.arange(TABLE, device=device) / (TABLE - 1)).expand(len(x), -1).contiguous()
    right = torch.searchsorted(x, grid).clamp(1, CURVE - 1)
    x0, x1, y0, y1 = (v.gather(1, i) for v in (x, y) for i in (right - 1, right))
    share = ((grid - x0) / (x1 - x0).clamp(min=SMALLEST_STEP)).clamp(0, 1)
    return y0 + share * (y1 - y0)


def _apply_device(batch: Tensor, params: BezierParams) -> Tensor:
    table = curve_tables(params)
    position = batch.flatten(1).float().clamp(0, 1) * (TABLE - 1)
    left = position.long().clamp(max=TABLE - 2)
    low, high = table.gather(1, left), table.gather(1, left + 1)
    return (low + (position - left) * (high - low)).reshape(batch.shape).to(batch.dtype)


@compiled
def _apply_cpu(sample, points, inverted, basis, out):
    table = _curve_table(points, inverted, basis)
    values, results = sample.reshape(-1), out.reshape(-1)
    last = np.uint32(TABLE - 2)
    for n in range(values.size):
        value = values[n] if values[n] > np.float32(0) else np.float32(0)  # also NaN
        position = (value if value < np.float32(1) else np.float32(1)) * np.float32(TABLE - 1)
        left = np.uint32(position)
        left = left if left < last else last
        low = table[left]
        results[n] = low + (position - np.float32(left)) * (table[np.uint32(left + np.uint32(1))] - low)


@compiled
def _curve_table(points, inverted, basis):
    """One row of `curve_tables`, in the same arithmetic: curve and grid are walked together."""
    x, y = np.empty(CURVE, np.float32), np.empty(CURVE, np.float32)
    highest = np.float32(0)
    for n in range(CURVE):
        highest = max(highest, points[0, 0] * basis[0, n] + points[1, 0] * basis[1, n] + basis[2, n])
        x[n] = highest
        y[CURVE - 1 - n if inverted else n] = points[0, 1] * basis[0, n] + points[1, 1] * basis[1, n] + basis[2, n]
    table = np.empty(TABLE, np.float32)
    right = 1
    for n in range(TABLE):
        place = np.float32(n) / np.float32(TABLE - 1)
        while right < CURVE - 1 and x[right] < place:
            right += 1
        share = (place - x[right - 1]) / max(x[right] - x[right - 1], np.float32(SMALLEST_STEP))
        share = min(max(share, np.float32(0)), np.float32(1))
        table[n] = y[right - 1] + share * (y[right] - y[right - 1])
    return table
