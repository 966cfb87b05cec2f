"""Patch descriptors of a radiograph: what a network says of every patch, on a grid over the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.core.capabilities import PATCHES
from medssl.core.errors import ConfigError
from medssl.core.plan import Plan
from medssl.images.borders import Box
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.radiograph import as_radiograph, resized
from medssl.images.volume import Volume
from medssl.inference.capabilities import require
from medssl.networks.network import Network, PatchEncoder
from medssl.training.fabric import choose_precision

SHORT_SIDE_CELLS = 19  # as in training: the network knows anatomy at this size
STRIDE = 2  # cells between windows: a token tells where in its window it lies, the mean of many tells less of that
BATCH = 8  # windows at a time
DENSITIES = (1, 2, 4)
FLAT = 0.02  # a cell whose values differ by less shows nothing
BRIGHT = 0.5  # unless it is brighter than this: air and covered borders are dark


@dataclass(frozen=True, eq=False)
class PatchGrid:
    """Descriptors of one radiograph. Places on the grid are (row, column), places in the image (x, y) = (column, row) pixels.

    Attributes:
        descriptors: (rows, columns, D) float32, unit length.
        foreground: (rows, columns) bool: False where a cell shows nothing.
        origin: (x, y) of the centre of grid place (0, 0), in pixels of the source.
        step: (x, y) pixels of the source from one grid place to the next.
        cell: (x, y) pixels of the source that one cell of the network covers.
        box: x0, y0, width and height of what was looked at, in pixels of the source: uniform borders are left out.
        source: the 2D image.
        notes: what the user should know of how the image was read.
        shared: (D,) what was taken off every descriptor before it got its length.
    """

    descriptors: Tensor
    foreground: Tensor
    origin: tuple[float, float]
    step: tuple[float, float]
    cell: tuple[float, float]
    box: Box
    source: Volume
    notes: tuple[str, ...] = ()
    shared: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.descriptors.shape[0], self.descriptors.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory of the descriptors and the source."""
        return self.descriptors.nbytes + self.source.array.nbytes

    def pixels(self, places: np.ndarray) -> np.ndarray:
        """(..., 2) rows and columns of the grid to (..., 2) x and y of the source."""
        return np.asarray(places, dtype=float)[..., ::-1] * self.step + self.origin

    def places(self, pixels: np.ndarray) -> np.ndarray:
        """(..., 2) x and y of the source to (..., 2) fractional rows and columns of the grid."""
        return ((np.asarray(pixels, dtype=float) - self.origin) / self.step)[..., ::-1].copy()

    def inside(self, pixels: np.ndarray) -> np.ndarray:
        """(..., 2) x and y of the source, brought to the nearest pixel that was looked at where they lie beyond."""
        first = np.array(self.box[:2], float)
        return np.clip(np.asarray(pixels, dtype=float), first - 0.5, first + self.box[2:] - 0.5)

    def shows(self, pixel: np.ndarray) -> bool:
        """Was a pixel (x, y) of the source looked at, and does the cell that lies nearest show something?"""
        if not np.array_equal(self.inside(pixel), np.asarray(pixel, dtype=float)):
            return False
        last = np.floor(self.places(np.add(self.box[:2], self.box[2:]) - 0.5))  # the last centres inside
        row, column = np.clip(np.rint(self.places(pixel)), 0, last).astype(int)
        return bool(self.foreground[row, column])

    def at(self, pixels: np.ndarray) -> Tensor:
        """Descriptors (Q, D), unit length, at (Q, 2) pixels x, y: bilinear between grid places, the nearest beyond them."""
        rows, columns = self.shape
        place = torch.as_tensor(self.places(pixels), dtype=torch.float32)
        limits = torch.tensor([max(rows - 1, 1), max(columns - 1, 1)], dtype=torch.float32)
        scaled = (2 * place / limits - 1).flip(1)[None, None]  # (1, 1, Q, 2) as x, y in -1...1
        field = self.descriptors.permute(2, 0, 1)[None]
        found = functional.grid_sample(field, scaled, padding_mode="border", align_corners=True)[0, :, 0].T
        return functional.normalize(found, dim=1)


def embed_patches(volume: Volume, net: Network, dense: int = 1, view: str = "", inverted: bool = False) -> PatchGrid:
    """Describe every cell of a radiograph.

    The image is brought to the size of training (short side 19 cells) and seen through overlapping windows of 14 x 14
    cells; a cell that several windows show gets the mean of its descriptors. What all cells of the image share, their mean,
    is taken off. `dense` > 1 repeats that with windows shifted by fractions of a cell.

    Args:
        volume: a 2D radiograph, or 3D with a view.
        net: a network that describes patches, with its plan.
        dense: descriptors along a side of a cell: 1, 2 or 4.
        view: how a 3D volume becomes 2D.
        inverted: high values are dark.

    Raises:
        WeightsError: a model that describes none.
        VolumeError: no radiograph.
        ConfigError: another density.
    """
    check_patch_encoder(net.plan)
    if dense not in DENSITIES:
        raise ConfigError(
            f"dense = {dense}",
            f"must be one of {', '.join(map(str, DENSITIES))}",
            "4 is the finest",
            code="setting-not-a-choice",
        )
    seen = prepare(volume, net, view, inverted)
    descriptors = _descriptors(seen.padded, net, seen.rows, seen.columns, dense)
    shared = descriptors.mean(dim=(0, 1))
    (x0, y0, *sides), step = seen.box, (seen.cell[0] / dense, seen.cell[1] / dense)
    shown = _foreground(seen.padded, cast(PatchEncoder, net).cell, dense, seen.rows, seen.columns)
    # The last cells are whole, and may have their centres beyond the image.
    across, down = ((torch.arange(n) + 0.5) * d <= side for n, d, side in zip(shown.shape[::-1], step, sides))
    return PatchGrid(
        descriptors=functional.normalize(descriptors - shared, dim=2),
        foreground=shown & down[:, None] & across,
        origin=(x0 + 0.5 * step[0] - 0.5, y0 + 0.5 * step[1] - 0.5),
        step=step,
        cell=seen.cell,
        box=seen.box,
        source=seen.source,
        notes=seen.notes,
        shared=shared,
    )


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A radiograph in the size of training, continued by its edge to whole cells and half a cell more on each side.

    Attributes:
        padded: (1, 1, h, w) float32, 0...1.
        rows, columns: whole cells.
        cell: (x, y) pixels of the source that one cell of the network covers.
        box, source, notes: see `PatchGrid`; cell (0, 0) begins where the box does.
    """

    padded: Tensor
    rows: int
    columns: int
    cell: tuple[float, float]
    box: Box
    source: Volume
    notes: tuple[str, ...]


def prepare(volume: Volume, net: Network, view: str = "", inverted: bool = False) -> PreparedImage:
    """Bring an image to the size of training (short side 19 cells). Arguments and errors as of `embed_patches`."""
    cell_side = cast(PatchEncoder, net).cell
    image = as_radiograph(volume, view, inverted, NormalisationConfig(**net.plan.normalisation), net.plan.modality)
    scaled = torch.from_numpy(resized(image.pixels, SHORT_SIDE_CELLS * cell_side))  # (h, w)
    padded, rows, columns = _whole_cells(scaled, cell_side)
    across, down = (old / new for old, new in zip(image.pixels.shape[::-1], (scaled.shape[1], scaled.shape[0])))
    cell = cell_side * across, cell_side * down
    box = image.x0, image.y0, image.pixels.shape[1], image.pixels.shape[0]
    return PreparedImage(padded, rows, columns, cell, box, image.volume, image.notes)


def check_patch_encoder(plan: Plan) -> None:
    """Refuse a model that describes no patches.

    Raises:
        WeightsError: this one.
    """
    require(plan, PATCHES)


def spread_windows(cells: int, window: int) -> list[int]:
    """First cells of windows that cover `cells`, evenly spread, at most `STRIDE` apart."""
    return sorted({round(start) for start in np.linspace(0, cells - window, 1 + -(-(cells - window) // STRIDE))})


def _whole_cells(image: Tensor, cell: int) -> tuple[Tensor, int, int]:
    """The image (h, w) continued by its edge to whole cells and half a cell more on each side; its rows and columns."""
    rows, columns = (-(-side // cell) for side in image.shape)
    more = [columns * cell - image.shape[1], rows * cell - image.shape[0]]
    half = cell // 2
    padded = functional.pad(image[None, None], (half, half + more[0], half, half + more[1]), mode="replicate")
    return padded, rows, columns


@torch.inference_mode()
def _descriptors(padded: Tensor, net: Network, rows: int, columns: int, dense: int) -> Tensor:
    """(rows * dense, columns * dense, D): the mean over all windows that show a cell."""
    network = cast(PatchEncoder, net)
    cell, cells = network.cell, network.cells
    device = next(net.parameters()).device
    starts = [(r, c) for r in spread_windows(rows, cells) for c in spread_windows(columns, cells)]
    total = torch.zeros(rows, dense, columns, dense, network.dimension, device=device)
    count = torch.zeros(rows, 1, columns, 1, 1, device=device)
    for r, c in starts:
        count[r : r + cells, :, c : c + cells] += 1
    first = [cell * (2 * n + 1) // (2 * dense) for n in range(dense)]  # where shifted cells begin in the padded image
    jobs = [(m, n, r, c) for m in range(dense) for n in range(dense) for r, c in starts]
    for begin in range(0, len(jobs), BATCH):
        some = jobs[begin : begin + BATCH]
        views = [_cut(padded, first[m] + r * cell, first[n] + c * cell, network.side) for m, n, r, c in some]
        with precision(device):
            tokens = network.tokens(net.standardise(torch.cat(views).to(device)))  # (batch, cells², D)
        for (m, n, r, c), of_window in zip(some, tokens.float().unflatten(1, (cells, cells))):
            total[r : r + cells, m, c : c + cells, n] += of_window
    return (total / count).flatten(0, 1).flatten(1, 2).cpu()


def _cut(image: Tensor, top: int, left: int, side: int) -> Tensor:
    return image[:, :, top : top + side, left : left + side]


def precision(device: torch.device) -> torch.autocast:
    """bf16 where the device computes in it: directions of descriptors differ by less than neighbouring cells do."""
    half = choose_precision("auto", device.type) == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def _foreground(padded: Tensor, cell: int, dense: int, rows: int, columns: int) -> Tensor:
    """(rows * dense, columns * dense) bool: cells that show more than one value, or a bright one: the clipped abdomen."""
    first, step = cell // (2 * dense), cell // dense
    image = padded[:, :, first:, first:]
    high, low = (functional.max_pool2d(sign * image, cell, step) for sign in (1.0, -1.0))
    shown = (high + low > FLAT) | (-low > BRIGHT)  # `low` is the negative minimum
    return shown[0, 0, : rows * dense, : columns * dense]
