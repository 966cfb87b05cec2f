"""Two overlapping crops of one radiograph on a common grid of cells, the first one shuffled half of the time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medssl.distort.params import Params


@dataclass(frozen=True)
class GridParams(Params):
    """`first`, `second` (N, 2) int64: row and column of each crop's first cell in the grid; `shuffled` (N,) bool;
    `order` (N, T) int64: the cell of crop 1 that is shown at each place, in reading order where it is not shuffled."""

    first: Tensor
    second: Tensor
    shuffled: Tensor
    order: Tensor


class GridViews:
    """Crops of `cells` x `cells` cells at independent offsets of whole cells, so that shared cells hold equal pixels.

    Zhou et al., "Learning Anatomically Consistent Embedding for Chest Radiography", BMVC 2023: 14 x 14 cells of 32 px from
    a grid of 18 x 18, so offsets are 0…4 and at least 10 x 10 cells are shared.

    Args:
        cell: side of a cell in pixels.
        cells: cells along a side of a crop.
        spare: how many more the grid has.
        shuffle_probability: of permuting the cells of crop 1.
    """

    def __init__(self, cell: int, cells: int = 14, spare: int = 4, shuffle_probability: float = 0.5) -> None:
        self.cell, self.cells, self.spare, self.shuffle_probability = cell, cells, spare, shuffle_probability

    def draw(self, batch: Tensor, generator: torch.Generator) -> GridParams:
        """Offsets and permutations for `batch` (N, C, G, G); only its length and device are read."""
        count, device = len(batch), batch.device
        offsets = torch.randint(self.spare + 1, (2, count, 2), generator=generator, device=device)
        shuffled = torch.rand(count, generator=generator, device=device) < self.shuffle_probability
        permuted = torch.rand((count, self.cells**2), generator=generator, device=device).argsort(1)
        in_order = torch.arange(self.cells**2, device=device).expand_as(permuted)
        return GridParams(offsets[0], offsets[1], shuffled, torch.where(shuffled[:, None], permuted, in_order))

    def crop(self, batch: Tensor, offset: Tensor) -> Tensor:
        """The crops (N, C, S, S) of `batch` (N, C, G, G) at `offset` (N, 2) cells."""
        along = torch.arange(self.cell * self.cells, device=batch.device)
        rows, columns = (offset[:, axis, None] * self.cell + along for axis in (0, 1))  # (N, S)
        sample = torch.arange(len(batch), device=batch.device)[:, None, None]
        return batch[sample, :, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def matched_cells(first: Tensor, second: Tensor, cells: int, fidelity: str = "paper") -> Tensor:
    """For each cell of crop 1 the cell of crop 2 that goes with it, or -1 where there is none.

    paper: the cell that shows the same pixels. released: as in the authors' code, which exchanges the row and the column
    offset, so that only crops with equal offsets in both directions are aligned (85 of the 625 pairs).

    Args:
        first, second: (N, 2) offsets in cells, row and column.
        cells: cells along a side of a crop.

    Returns:
        (N, cells²) int64, cells in reading order.
    """
    shift = first - second
    if fidelity == "released":
        shift = shift.flip(1)
    along = torch.arange(cells, device=first.device)
    rows, columns = (along + shift[:, axis, None] for axis in (0, 1))  # (N, cells)
    inside_rows, inside_columns = ((place >= 0) & (place < cells) for place in (rows, columns))
    place = rows[:, :, None] * cells + columns[:, None, :]
    return place.where(inside_rows[:, :, None] & inside_columns[:, None, :], place.new_tensor(-1)).flatten(1)
