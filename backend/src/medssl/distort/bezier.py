"""Non-linear intensity: push the values of a cube through a random monotonic curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medssl.distort.counter import compiled
from medssl.distort.params import Params
from medssl.distort.threads import each_sample, on_cpu

CURVE, TABLE = 1025, 2049  # points along the curve; equidistant inputs of the table made from it


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
    """

    name = "bezier"

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def draw(self, batch: Tensor, generator: torch.Generator) -> BezierParams:
        """Control points and direction of each sample's curve."""
        device, count = batch.device, len(batch)
        drawn = torch.rand((count, 2, 2), generator=generator, device=device)
        identity = torch.tensor([1 / 3, 2 / 3], device=device)[:, None]  # both points on the diagonal: y = x
        inverted = torch.rand(count, generator=generator, device=device) < self.strength / 2
        return BezierParams(identity + self.strength * (drawn - identity), inverted)

    def apply(self, batch: Tensor, params: BezierParams) -> Tensor:
        """Map every sample of `batch` (N, C, *spatial) through its own curve."""
        table = curve_tables(params)  # (N, TABLE)
        if not on_cpu(batch):
            return _lookup(batch, table)
        source = batch.detach().contiguous()
        out = torch.empty_like(source)
        cubes, results, tables = source.flatten(1).numpy(), out.flatten(1).numpy(), table.numpy()
        each_sample(len(cubes), lambda n: _lookup_cpu(cubes[n], tables[n], results[n]))
        return out


def curve_tables(params: BezierParams) -> Tensor:
    """The curves at TABLE equidistant inputs from 0 to 1: (N, TABLE)."""
    points = params.points
    t = torch.linspace(0, 1, CURVE, device=points.device)
    x = _bezier(points[:, :, 0], t)  # (N, CURVE), never decreasing
    y = torch.where(params.inverted[:, None], _bezier(points[:, :, 1], t).flip(1), _bezier(points[:, :, 1], t))
    grid = torch.linspace(0, 1, TABLE, device=points.device).expand(len(x), -1).contiguous()
    right = torch.searchsorted(x, grid).clamp(1, CURVE - 1)
    x0, x1, y0, y1 = (v.gather(1, i) for v in (x, y) for i in (right - 1, right))
    share = ((grid - x0) / (x1 - x0).clamp(min=1e-12)).clamp(0, 1)
    return y0 + share * (y1 - y0)


def _bezier(inner: Tensor, t: Tensor) -> Tensor:
    """One coordinate, with end points 0 and 1 and inner points (N, 2), at t (M,): (N, M)."""
    first, second = inner[:, :1], inner[:, 1:]
    return 3 * first * (t * (1 - t) ** 2) + 3 * second * (t**2 * (1 - t)) + t**3


def _lookup(batch: Tensor, table: Tensor) -> Tensor:
    position = batch.flatten(1).float().clamp(0, 1) * (TABLE - 1)
    left = position.long().clamp(max=TABLE - 2)
    low, high = table.gather(1, left), table.gather(1, left + 1)
    return (low + (position - left) * (high - low)).reshape(batch.shape).to(batch.dtype)


@compiled
def _lookup_cpu(values, table, out):
    scale, last = np.float32(table.size - 1), np.uint32(table.size - 2)
    for n in range(values.size):
        value = values[n] if values[n] > np.float32(0) else np.float32(0)  # also what is not a number
        position = (value if value < np.float32(1) else np.float32(1)) * scale
        left = np.uint32(position)
        left = left if left < last else last
        low = table[left]
        out[n] = low + (position - np.float32(left)) * (table[np.uint32(left + np.uint32(1))] - low)
