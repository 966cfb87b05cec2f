"""Two views of each sub-volume under affine maps, and which places of one are looked for in the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medssl.distort.affine import AffineParams, AffineViews, cell_places, mapped_cells


@dataclass(frozen=True)
class Queries:
    """Places of one view that are looked for in the other.

    `cells` (N, Q) int64: their cells, counted as a grid is flattened; `at` (N, Q, 3): where in the sample they lie, mm from its
    middle; `where` (N, Q, 3): their true places in the other view's cells; `valid` (N, Q) bool: those that count.
    """

    cells: Tensor
    at: Tensor
    where: Tensor
    valid: Tensor

    def of(self, grid: Tensor) -> Tensor:
        """Their descriptors (N, Q, D) in a grid (N, D, *cells)."""
        flat = grid.flatten(2).transpose(1, 2)
        return flat.gather(1, self.cells[..., None].expand(-1, -1, flat.shape[2]))


def draw_maps(views: AffineViews, inside: Tensor, whole: Tensor, generator: torch.Generator) -> list[AffineParams]:
    """Two maps per sample, of views that lie in the part of it that is no padding.

    Args:
        inside: (N, 3) mm of each sample that its volume fills, from its first voxel on.
        whole: (N, 3) mm of each sample with its padding.
    """
    drawn = [views.draw(inside, generator) for _ in range(2)]
    return [replace(one, centre=one.centre + (inside - whole) / 2, extent=whole) for one in drawn]


def draw_queries(
    first: AffineParams, second: AffineParams, shown: Tensor, inside: Tensor, count: int, generator: torch.Generator
) -> Queries:
    """Up to `count` cells per sample of the first view that show something of the volume and lie in the second view.

    Args:
        first, second: from `draw_maps`.
        shown: (N, *cells) bool, of the first view.
        inside: as of `draw_maps`.
    """
    where, seen = mapped_cells(first, second, shown.shape[1:])
    places = view_places(first, shown.shape[1:])  # (N, cells, 3), from the sample's middle
    seen &= (places + first.extent[:, None] / 2 <= inside[:, None]).all(2) & shown.flatten(1)
    score = torch.rand(seen.shape, generator=generator, device=seen.device) * seen
    cells = score.topk(min(count, score.shape[1]), dim=1).indices
    return Queries(cells, taken(places, cells), taken(where, cells), seen.gather(1, cells))


def taken(places: Tensor, cells: Tensor) -> Tensor:
    """(N, Q, 3) of places (N, cells, 3) of all cells."""
    return places.gather(1, cells[..., None].expand(-1, -1, 3))


def view_places(params: AffineParams, cells: torch.Size) -> Tensor:
    """(N, cells, 3) mm from the sample's middle to the centre of each cell of its view."""
    count = params.centre.new_tensor(list(cells))
    u = (2 * cell_places(cells, params.centre.device) + 1) / count - 1
    return params.centre[:, None] + u @ params.linear.transpose(1, 2)
