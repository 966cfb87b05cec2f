"""Rotation, scaling, elastic bending and mirroring in one resampling, alike for an image and its label map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.augment.warp_cpu import spline_weights, warp_labels, warp_linear
from medssl.distort.params import Params
from medssl.distort.samples import apply_on_device, map_samples

KNOTS = 7  # control points of a bend along each axis
THICK = 3.0  # slices this many times as far apart as their pixels are turned in their plane only


@dataclass(frozen=True)
class WarpParams(Params):
    """`matrix` (N, 3, 4): from the voxel of the result to that of the source, in voxels; `bend` (N, 3, KNOTS, KNOTS, KNOTS): how
    far the control points are moved beside, in voxels; `flips` (N, axes) bool: axes that are mirrored, which is in the matrix
    too; `bent` and `moved` (N,) bool: whether there is a bend, or anything beside mirroring, which needs no interpolation.
    """

    matrix: Tensor
    bend: Tensor
    flips: Tensor
    bent: Tensor
    moved: Tensor


class Warp:
    """Turn, scale, bend and mirror each sample by chance.

    Turns, scaling and mirroring are those of nnU-Net's training (Isensee et al., Nature Methods 18, 2021): each turn uniform,
    one scale for all axes uniform in its range. A bend is a cubic B-spline through random moves of its control points. What
    lies outside the image repeats its border.

    Args:
        turn: largest rotation about each axis, degrees (in 2D: about the only one).
        turn_probability, scale_probability, bend_probability: of each.
        scale: smallest and largest extent of what is seen, in sample sides; below 1 enlarges.
        bend: largest move of a control point, as a share of the side; a quarter of the knots' distance folds nothing.
        mirror: axes that are mirrored with probability ½ each.
        spacing: of the samples in mm, so that a turn of flat voxels keeps shapes; () : cubes.
    """

    name = "warp"

    def __init__(
        self, turn: float = 30.0, turn_probability: float = 0.2, scale: tuple[float, float] = (0.7, 1.4),
        scale_probability: float = 0.2, bend: float = 0.04, bend_probability: float = 0.0,
        mirror: tuple[int, ...] = (), spacing: tuple[float, ...] = (),
    ) -> None:  # fmt: skip
        self.turn, self.turn_probability = turn, turn_probability
        self.scale, self.scale_probability = scale, scale_probability
        self.bend, self.bend_probability = bend, bend_probability
        self.mirror, self.spacing = mirror, spacing

    def draw(self, batch: Tensor, generator: torch.Generator) -> WarpParams:
        """Draw for `batch` (N, C, *spatial), of which only shape and device are read."""
        count, axes, device = len(batch), batch.ndim - 2, batch.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand((count, *shape), generator=generator, device=device)

        turned, scaled, bent = (
            uniform() < p for p in (self.turn_probability, self.scale_probability, self.bend_probability)
        )
        angles = math.radians(self.turn) * (2 * uniform(3 if axes == 3 else 1) - 1) * turned[:, None]
        angles = angles * torch.tensor(self._turning(axes), device=device)
        scale = torch.where(scaled, self.scale[0] + (self.scale[1] - self.scale[0]) * uniform(), 1.0)
        flips = uniform(axes) < 0.5
        flips &= torch.tensor([axis in self.mirror for axis in range(axes)], device=device)
        sides = torch.tensor(batch.shape[2:], dtype=torch.float32, device=device)
        moves = (2 * uniform(axes, *[KNOTS] * axes) - 1) * self.bend * sides.view(1, axes, *[1] * axes)
        moves = moves * bent.view(-1, *[1] * (axes + 1))
        matrix = self._matrix(angles, scale, flips, sides)
        return WarpParams(*_in_space(matrix, moves), flips, bent, turned | scaled | bent)

    def apply(self, batch: Tensor, params: WarpParams, where: Tensor | None = None) -> Tensor:
        """Images (N, C, *spatial), linearly interpolated."""
        return _apply(batch, params, where, warp_linear, "bilinear")

    def apply_labels(self, labels: Tensor, params: WarpParams) -> Tensor:
        """Label maps (N, 1, *spatial) of any integer type: each voxel takes the label of the nearest one, none is invented."""
        return _apply(labels, params, None, warp_labels, "nearest")

    def _turning(self, axes: int) -> list[float]:
        """1 for each axis that is turned about: among thick slices only the one across them, as nnU-Net does."""
        if axes == 3 and self.spacing and max(self.spacing) > THICK * min(self.spacing):
            return [float(width == max(self.spacing)) for width in self.spacing]
        return [1.0] * (3 if axes == 3 else 1)

    def _matrix(self, angles: Tensor, scale: Tensor, flips: Tensor, sides: Tensor) -> Tensor:
        """(N, axes, axes + 1), in voxels: about the centre, in millimetres."""
        axes = len(sides)
        turn = _rotation(angles) * scale[:, None, None]
        spacing = torch.tensor(self.spacing or (1.0,) * axes, dtype=torch.float32, device=sides.device)
        matrix = turn * spacing[None, None, :] / spacing[None, :, None]
        matrix = matrix * torch.where(flips, -1.0, 1.0)[:, None, :]
        centre = (sides - 1) / 2
        return torch.cat([matrix, (centre - matrix @ centre)[:, :, None]], dim=2)


def _rotation(angles: Tensor) -> Tensor:
    """(N, 1) to (N, 2, 2), or (N, 3) to (N, 3, 3): about the first axis, then the second, then the third."""
    cos, sin = angles.cos(), angles.sin()
    if angles.shape[1] == 1:
        return torch.stack([cos[:, 0], -sin[:, 0], sin[:, 0], cos[:, 0]], dim=1).view(-1, 2, 2)
    total = torch.eye(3, device=angles.device).expand(len(angles), 3, 3)
    for axis, (a, b) in enumerate(((1, 2), (0, 2), (0, 1))):
        one = torch.eye(3, device=angles.device).repeat(len(angles), 1, 1)
        one[:, a, a] = one[:, b, b] = cos[:, axis]
        one[:, a, b], one[:, b, a] = -sin[:, axis], sin[:, axis]
        total = one @ total
    return total


def _in_space(matrix: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
    """In 2D a first axis of one voxel is put before: (N, 3, 4) and (N, 3, KNOTS, KNOTS, KNOTS)."""
    if matrix.shape[1] == 3:
        return matrix, moves
    whole = matrix.new_zeros(len(matrix), 3, 4)
    whole[:, 0, 0] = 1.0
    whole[:, 1:, 1:] = matrix
    bend = moves.new_zeros(len(moves), 3, KNOTS, KNOTS, KNOTS)
    bend[:, 1:] = moves[:, :, None]
    return whole, bend


def _apply(batch: Tensor, params: WarpParams, where: Tensor | None, kernel: Any, mode: str) -> Tensor:
    if batch.device.type != "cpu":
        return apply_on_device(batch, params, where, lambda b, p: _on_device(b, p, mode))
    flat = batch[:, :, None] if batch.ndim == 4 else batch
    first = flat.ndim - batch.ndim + 1  # the first axis of space in a sample
    matrix, bend = params.matrix.double().numpy(), params.bend.numpy()
    bent, moved, flips = params.bent.tolist(), params.moved.tolist(), params.flips.tolist()
    weights = tuple(spline_weights(side, KNOTS) for side in flat.shape[2:])

    def warp(n: int, sample: np.ndarray, out: np.ndarray) -> None:
        if moved[n]:
            kernel(sample, matrix[n], bend[n], bent[n], *weights, out)
        else:
            out[:] = np.flip(sample, tuple(first + axis for axis, flipped in enumerate(flips[n]) if flipped))

    return map_samples(flat, where, warp).reshape(batch.shape)


def _on_device(batch: Tensor, params: WarpParams, mode: str) -> Tensor:
    out = batch.clone()
    for axis in range(batch.ndim - 2):
        mirrored = params.flips[:, axis].view(-1, *[1] * (batch.ndim - 1))
        out = out.flip(axis + 2).where(mirrored, out)
    moved = params.moved.nonzero().squeeze(1)
    if len(moved):
        source = batch[moved]
        source = source[:, :, None] if batch.ndim == 4 else source
        out[moved] = _sampled(source, params[moved], mode).reshape(-1, *batch.shape[1:])
    return out


def _sampled(batch: Tensor, params: WarpParams, mode: str) -> Tensor:
    """All samples at once, by torch's grid sampling; labels travel as float32, which holds 24 bits."""
    sides = batch.shape[2:]
    axes = [torch.arange(side, device=batch.device, dtype=torch.float32) for side in sides]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)  # (I, J, K, 3)
    source = torch.einsum("nab,ijkb->nijka", params.matrix[:, :, :3], places) + params.matrix[:, None, None, None, :, 3]
    if params.bent.any():
        i, j, k = (torch.from_numpy(spline_weights(side, KNOTS)).to(batch.device) for side in sides)
        source = source + torch.einsum("nxabc,ia,jb,kc->nijkx", params.bend, i, j, k)
    last = torch.tensor([max(side - 1, 1) for side in sides], device=batch.device)
    grid = (2 * source / last - 1).flip(-1)  # grid_sample wants the last axis first, from -1 to 1
    if min(sides) == 1:
        grid = torch.where(torch.tensor([side == 1 for side in reversed(sides)], device=batch.device), 0.0, grid)
    found = functional.grid_sample(batch.float(), grid, mode=mode, padding_mode="border", align_corners=True)
    return found.to(batch.dtype)
