"""Views of an image or volume under random affine maps, and where a place of one view lies in another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from medssl.distort.params import Params


@dataclass(frozen=True)
class AffineParams(Params):
    """`linear` (N, d, d) and `centre` (N, d): the view's place u, each coordinate -1…1 from border to border, shows the sample's
    place `centre + linear @ u`; `extent` (N, d): of the samples. Centre and extent in one unit, 0 at the sample's middle; axes in
    the order of the array (rows, columns; i, j, k)."""

    linear: Tensor
    centre: Tensor
    extent: Tensor


class AffineViews:
    """Scaled, turned and stretched windows at any place of a sample, never mirrored, in one resampling; two axes or three.

    Args:
        shape: pixels or voxels of a view.
        reach: of a view at scale 1 along each axis, in the unit of the samples' extents.
        scale: smallest and largest share of the reach that a view shows, uniform in their logarithms.
        degrees: largest turn in the plane of every two axes.
        aspect: largest share by which one side of a view is stretched against another.
    """

    def __init__(
        self,
        shape: Sequence[int],
        reach: Sequence[float],
        scale: tuple[float, float] = (0.5, 1.0),
        degrees: float = 15.0,
        aspect: float = 0.1,
    ) -> None:
        self.shape, self.reach = tuple(shape), tuple(reach)
        self.scale, self.degrees, self.aspect = scale, degrees, aspect

    def draw(self, extent: Tensor, generator: torch.Generator) -> AffineParams:
        """Draw for samples of `extent` (N, d). A view lies inside its sample but for the corners that a turn moves out of it,
        in the middle where it does not fit."""
        count, axes = extent.shape

        def uniform(bound: float, shape: Sequence[int]) -> Tensor:
            return bound * (2 * torch.rand(shape, generator=generator, device=extent.device) - 1)

        low, high = (math.log(end) for end in self.scale)
        scale = ((low + high) / 2 + uniform((high - low) / 2, (count, 1))).exp()
        stretch = uniform(math.log1p(self.aspect) / 2, (count, axes)).exp()
        half = scale * stretch * extent.new_tensor(self.reach) / 2  # (N, d)
        centre = uniform(1.0, (count, axes)) * (extent / 2 - half).clamp(min=0.0)
        turns = uniform(math.radians(self.degrees), (count, math.comb(axes, 2)))
        return AffineParams(rotations(turns, axes) * half[:, None, :], centre, extent)

    def apply(self, batch: Tensor, params: AffineParams) -> Tensor:
        """Views (N, C, *shape) of samples (N, C, *spatial), linear between pixels, 0 beyond the sample."""
        to_sample = 2 / params.extent  # from places in the unit of the extent to -1…1
        theta = torch.cat([params.linear * to_sample[:, :, None], (params.centre * to_sample)[:, :, None]], dim=2)
        theta = torch.cat([theta[:, :, :-1].flip(1, 2), theta[:, :, -1:].flip(1)], dim=2)  # torch counts x first
        grid = functional.affine_grid(theta.to(batch.dtype), [len(batch), 1, *self.shape], align_corners=False)
        return functional.grid_sample(batch, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def rotations(turns: Tensor, axes: int) -> Tensor:
    """Rotation matrices (N, d, d) of turns (N, d(d-1)/2) in radians, one in the plane of every two axes, one after another."""
    total = torch.eye(axes, dtype=turns.dtype, device=turns.device).repeat(len(turns), 1, 1)
    for number, (first, second) in enumerate(combinations(range(axes), 2)):
        turn = torch.eye(axes, dtype=turns.dtype, device=turns.device).repeat(len(turns), 1, 1)
        cosine, sine = turns[:, number].cos(), turns[:, number].sin()
        turn[:, first, first] = turn[:, second, second] = cosine
        turn[:, first, second], turn[:, second, first] = -sine, sine
        total = total @ turn
    return total


def cell_places(cells: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """(Q, d) float32: the indices of all cells of a grid, in the order in which a grid is flattened."""
    axes = [torch.arange(count, device=device, dtype=torch.float32) for count in cells]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)


def mapped_cells(first: AffineParams, second: AffineParams, cells: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where the centre of each cell of the first view lies in the second view of the same sample.

    Args:
        first, second: of two views of the same samples.
        cells: of a view along each axis; the centre of a view's first cell is place 0, of the last cells - 1.

    Returns:
        (N, Q, d) float32 in cells of the second view, continuous; (N, Q) bool: inside the second view, and inside the sample.
    """
    count = first.centre.new_tensor(list(cells))
    u = (2 * cell_places(cells, first.centre.device) + 1) / count - 1  # (Q, d), -1…1
    places = first.centre[:, None] + u @ first.linear.transpose(1, 2)  # (N, Q, d) in the sample
    inside_sample = (places.abs() <= first.extent[:, None] / 2).all(2)
    v = torch.linalg.solve(second.linear, (places - second.centre[:, None]).transpose(1, 2)).transpose(1, 2)
    return ((v + 1) * count - 1) / 2, inside_sample & (v.abs() <= 1).all(2)


def nearest_cells(first: AffineParams, second: AffineParams, cells: Sequence[int]) -> Tensor:
    """(N, Q) int64: the cell of the second view that is nearest to the centre of each cell of the first, or -1 where
    `mapped_cells` says that there is none; cells in the order in which a grid is flattened."""
    where, valid = mapped_cells(first, second, cells)
    number = torch.zeros(valid.shape, dtype=torch.long, device=valid.device)
    for axis, count in enumerate(cells):
        number = number * count + where[..., axis].round().long().clamp(0, count - 1)
    return number.where(valid, number.new_tensor(-1))
