"""Patch descriptors at any place of a radiograph, finer than its grid: windows are shifted until a cell lies there."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.inference.patch_grid import BATCH, PatchGrid, precision, prepare
from medssl.networks.network import Network, PatchEncoder

PARTS = 4  # places along the side of a cell
REACH = 1  # cells around a place that are looked at
KEPT_BYTES = 2**28  # of windows of an image: those that were looked at longest ago go first
APART = 2  # cells between the first cells of windows, so that places close by share theirs


class FinePatches:
    """What a network says of cells and their neighbours around a place, wherever these begin. Windows are kept, KEPT_BYTES at most.

    A cell is looked at in one window that has it in its middle, or as near to that as the image allows; so what a network says
    of the place in the window is nearly the same for both of two cells that are compared.

    Args:
        grid: of the image; what all of its cells share is taken off here too.
        net: the network that described it.
    """

    def __init__(self, grid: PatchGrid, net: Network) -> None:
        assert grid.shared is not None
        seen = self._seen = prepare(grid.source, net)
        self._net, self._shared = net, grid.shared
        self._network = cast(PatchEncoder, net)
        self._zoom = np.array(seen.cell) / self._network.cell  # pixels of the source a pixel of the network, x and y
        self._kept: dict[tuple[int, int], Tensor] = {}

    def at(self, pixel: np.ndarray) -> Tensor:
        """Descriptors (3, 3, D) of the cell whose centre is a pixel (x, y), and of its neighbours; 0 for those not seen."""
        begin = self._begin(pixel)
        top, left = (self._start(n, axis) for axis, n in enumerate(begin))
        self._look([(top, left)])
        row, column = ((b - w) // self._network.cell for b, w in zip(begin, (top, left)))
        return self._kept[top, left][row : row + 3, column : column + 3]

    def around(self, pixel: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """The same on a fine grid around a pixel (x, y).

        Returns:
            (n, n, 3, 3, D) for n = 2 REACH PARTS + 1 rows and columns, 0 where a cell lies outside the image, and the centres'
            pixels (n, n, 2) x and y.
        """
        cell = self._network.cell
        quantum = cell / PARTS
        offsets = np.arange(-REACH * PARTS, REACH * PARTS + 1)
        tops, lefts = (np.rint((np.rint(n / quantum) + offsets) * quantum).astype(int) for n in self._begin(pixel))
        shown = torch.zeros(len(offsets), len(offsets), 3, 3, len(self._shared))
        rows, columns = (self._shared_windows(begins, axis) for axis, begins in enumerate((tops, lefts)))
        self._look([(top, left) for top, _ in rows for left, _ in columns])
        for top, of_rows in rows:
            for left, of_columns in columns:
                around = self._kept[top, left].unfold(0, 3, 1).unfold(1, 3, 1)  # (cells, cells, D, 3, 3)
                r, c = (torch.from_numpy((n - w) // cell) for n, w in ((tops[of_rows], top), (lefts[of_columns], left)))
                shown[of_rows[:, None], of_columns] = around[r[:, None], c].permute(0, 1, 3, 4, 2)
        x, y = (
            (n - cell // 2 + cell / 2) * zoom + first - 0.5
            for n, zoom, first in zip((lefts, tops), self._zoom, self._seen.box)
        )
        return shown, np.stack(np.meshgrid(x, y), axis=-1)

    def _shared_windows(self, begins: np.ndarray, axis: int) -> list[tuple[int, np.ndarray]]:
        """Along an axis: where windows begin, one for all cells of a phase, and which of the cells (by number) each shows."""
        cell, cells = self._network.cell, self._network.cells
        middle, found = int(begins[len(begins) // 2]), []
        for phase in dict.fromkeys(int(n) for n in begins % cell):
            start = self._start(middle + (phase - middle) % cell, axis)
            number = (begins - start) // cell
            found.append((start, np.flatnonzero((begins % cell == phase) & (number >= 0) & (number < cells))))
        return found

    def _begin(self, pixel: np.ndarray) -> tuple[int, int]:
        """Row and column of the padded image where the cell on a pixel begins; beyond the image the nearest one."""
        cell, (height, width) = self._network.cell, self._seen.padded.shape[2:]
        x, y = (np.asarray(pixel, float) + 0.5 - self._seen.box[:2]) / self._zoom + cell // 2 - cell / 2
        return min(max(round(float(y)), 0), height - cell), min(max(round(float(x)), 0), width - cell)

    def _start(self, begin: int, axis: int) -> int:
        """Where the window begins that shows the cell beginning at `begin` nearest to its middle."""
        cell, cells = self._network.cell, self._network.cells
        number, shift = divmod(begin, cell)
        most = (self._seen.padded.shape[2 + axis] - self._network.side - shift) // cell
        return int(np.clip(APART * round((number - cells // 2) / APART), 0, most)) * cell + shift

    @torch.inference_mode()
    def _look(self, windows: list[tuple[int, int]]) -> None:
        """Have the network look at windows, by the padded pixel where they begin."""
        new, side, cells = [w for w in windows if w not in self._kept], self._network.side, self._network.cells
        device = next(self._net.parameters()).device
        for first in range(0, len(new), BATCH):
            some = new[first : first + BATCH]
            views = torch.cat([self._seen.padded[:, :, y : y + side, x : x + side] for y, x in some])
            with precision(device):
                tokens = self._network.tokens(self._net.standardise(views.to(device))).float().cpu()
            unit = functional.normalize(tokens.unflatten(1, (cells, cells)) - self._shared, dim=3)
            ringed = functional.pad(unit, (0, 0, 1, 1, 1, 1))  # a ring of neighbours that are not seen
            self._kept |= {window: one.clone() for window, one in zip(some, ringed)}
        for window in windows:  # those in use are the newest, and stay
            self._kept[window] = self._kept.pop(window)
        room = max(KEPT_BYTES // self._kept[windows[0]].nbytes, len(set(windows)))
        for window in list(self._kept)[: max(len(self._kept) - room, 0)]:
            del self._kept[window]
