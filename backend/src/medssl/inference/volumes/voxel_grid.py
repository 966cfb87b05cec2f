"""Descriptors of a whole volume: what a network says of every cell, and the way between cells and the patient."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medssl.core.capabilities import VOXELS
from medssl.core.errors import VolumeError
from medssl.images.intensity.model_window import intensity_window
from medssl.images.intensity.normalise import normalise
from medssl.images.points import padded_box
from medssl.images.volume import Volume, compact
from medssl.inference.capabilities import require
from medssl.inference.volumes.model_grid import notes_before, on_model_grid
from medssl.inference.volumes.slabs import importance
from medssl.inference.volumes.windows import window_starts
from medssl.networks.dense3d import visible_cells
from medssl.networks.network import Network, VoxelEncoder
from medssl.training.fabric import choose_precision

TILE = 96  # voxels of a tile's sides, at most: a volume no larger than that is seen in one piece
OVERLAP = 0.25
LARGEST = 96 * 2**20  # bytes of a volume's descriptors; of larger ones every second, third ... cell is kept
DIVISOR = 8


@dataclass(frozen=True, eq=False)
class VoxelGrid:
    """Descriptors of one volume. Places count cells of the grid, points are mm in the LPS frame.

    Attributes:
        descriptors: (I, J, K, D) float16, unit length.
        foreground: (I, J, K) bool: False where a cell shows nothing.
        step: voxels of `seen` from one cell to the next, along every axis.
        first: voxel (continuous) in the middle of cell (0, 0, 0), along every axis.
        seen: the volume in the model's orientation and spacing.
        window: stored intensities that the network sees as 0 and 1.
        shared: (D,) what descriptors have in common, which is taken off all of them.
        notes: what the user should know of how the volume was read.
    """

    descriptors: Tensor
    foreground: Tensor
    step: int
    first: float
    seen: Volume
    window: tuple[float, float]
    shared: Tensor
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along the axes."""
        return tuple(self.foreground.shape)

    @property
    def in_one_piece(self) -> bool:
        """Was the volume seen in one tile, so that every cell was described with all of it around?"""
        return max(self.seen.shape) <= TILE

    @property
    def nbytes(self) -> int:
        """Memory of the descriptors and the volume."""
        return self.descriptors.nbytes + self.seen.array.nbytes

    @property
    def step_mm(self) -> np.ndarray:
        """(3,) mm from one cell to the next."""
        return self.seen.spacing * self.step

    def points(self, places: np.ndarray) -> np.ndarray:
        """(..., 3) places to (..., 3) points."""
        voxels = np.asarray(places, float) * self.step + self.first
        return (voxels * self.seen.spacing) @ self.seen.direction.T + self.seen.origin

    def places(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) points to (..., 3) fractional places."""
        return (self.voxels(points) - self.first) / self.step

    def voxels(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) points to (..., 3) fractional voxels of `seen`."""
        return (np.asarray(points, float) - self.seen.origin) @ self.seen.direction / self.seen.spacing

    def relative(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) points to (..., 3) shares of the volume's sides, 0…1 inside."""
        return (self.voxels(points) + 0.5) / np.array(self.seen.shape)

    def points_at(self, shares: np.ndarray) -> np.ndarray:
        """(..., 3) shares of the volume's sides to (..., 3) points."""
        voxels = np.asarray(shares, float) * np.array(self.seen.shape) - 0.5
        return (voxels * self.seen.spacing) @ self.seen.direction.T + self.seen.origin

    def at(self, points: np.ndarray) -> Tensor:
        """Descriptors (Q, D) float32, unit length, at (Q, 3) points: trilinear between cells, the nearest beyond them."""
        return interpolated(self.descriptors, torch.as_tensor(self.places(points), dtype=torch.float32))

    def map_volume(self, values: Tensor) -> Volume:
        """Values (I, J, K) of the cells as a volume in its place."""
        first = self.seen.origin + self.seen.direction @ (self.seen.spacing * self.first)
        return replace(
            self.seen, array=values.float().numpy(), spacing=self.step_mm, origin=first, modality="", statistics=None
        )


def describe_volume(
    volume: Volume,
    net: Network,
    progress: Callable[[int, int], None] | None = None,
    tile: int = TILE,
    largest: int = LARGEST,
) -> VoxelGrid:
    """Describe every cell of a volume, tile by tile; overlapping tiles are blended.

    Of the volume only a tile is ever in floats, and of the descriptors no more than `largest` bytes are kept. What the cells in
    the middle of the volume share, their mean, is taken off, as of radiographs: without it an untrained network's descriptors
    are all alike.

    Args:
        volume: 3D, as it is stored: it is brought to the model's orientation and spacing.
        net: a network that describes places, with its plan, in evaluation mode.
        progress: called with (tiles done, tiles); may raise to stop.
        tile: voxels of a tile's sides at most; a multiple of 8.
        largest: bytes of the descriptors.

    Raises:
        WeightsError: a model that describes none.
        VolumeError: a 2D or a constant volume. InputError: of another modality than the model's.
    """
    plan, encoder = net.plan, cast(VoxelEncoder, net)
    require(plan, VOXELS)
    if volume.array.ndim != 3 or min(volume.shape) == 1:
        raise VolumeError(
            f"{volume.name or 'image'} of shape {volume.shape}", "is 2D where the model needs a volume",
            "Choose a volume", code="not-3d",
        )  # fmt: skip
    window = intensity_window(volume, plan)
    seen = replace(on_model_grid(volume, plan).volume, further=())
    seen = replace(seen, array=compact(seen.array))
    cells = [-(-side // encoder.stride) for side in seen.shape]
    thin = next(
        n for n in itertools.count(1) if np.prod([-(-c // n) for c in cells]) * encoder.dimension * 2 <= largest
    )
    sums = torch.zeros(*(-(-c // thin) for c in cells), encoder.dimension, dtype=torch.float16)
    shown = torch.zeros(sums.shape[:3], dtype=torch.bool)
    size = [min(tile, -(-side // DIVISOR) * DIVISOR) for side in seen.shape]
    tiles = list(itertools.product(*(_starts(n, side) for n, side in zip(seen.shape, size))))
    weights = importance([side // encoder.stride for side in size])[..., None]
    middle = _described(seen, window, net, [max(side - s, 0) // 16 * 8 for side, s in zip(seen.shape, size)], size)
    shared = middle[0].flatten(0, 2).mean(dim=0)
    for done, start in enumerate(tiles):
        found, visible = _described(seen, window, net, start, size) if len(tiles) > 1 else middle
        weighted = functional.normalize(found - shared, dim=-1) * weights
        own, there = zip(*(_kept(s // encoder.stride, w, n, thin) for s, w, n in zip(start, weights.shape, sums.shape)))
        sums[there] += weighted[own].half()
        shown[there] |= visible[own]
        if progress is not None:
            progress(done + 1, len(tiles))
    for slab in sums:
        slab.copy_(functional.normalize(slab.float(), dim=-1))
    first = encoder.stride * (thin // 2) + (encoder.stride - 1) / 2
    return VoxelGrid(sums, shown, encoder.stride * thin, first, seen, window, shared, notes_before(volume, plan))


def look_closely(grid: VoxelGrid, net: Network, point: np.ndarray, side: int) -> tuple[Tensor, np.ndarray]:
    """All cells of a tile whose middle cell is at a point, to half a voxel: what lies around it is seen alike in every volume.

    Args:
        grid: of the volume, made with this network.
        point: (3,) mm, LPS.
        side: voxels of the tile's sides.

    Returns:
        Descriptors (C, C, C, D) float32, and the place of the point among them, (3,) fractional.
    """
    stride = cast(VoxelEncoder, net).stride
    voxel = grid.voxels(point)
    centre = stride * (side // stride // 2) + (stride - 1) / 2  # of the middle cell, in voxels of the tile
    start = [round(v - centre) for v in voxel]
    found, _shown = _described(grid.seen, grid.window, net, start, [side] * 3)
    return functional.normalize(found - grid.shared, dim=-1), (voxel - np.array(start) - (stride - 1) / 2) / stride


def interpolated(descriptors: Tensor, places: Tensor) -> Tensor:
    """Descriptors (Q, D) float32, unit length, of (I, J, K, D) at fractional places (Q, 3); the nearest beyond the border."""
    shape = torch.tensor(descriptors.shape[:3])
    places = torch.minimum(places.clamp(min=0), (shape - 1).float())
    low = places.floor().long()
    total = torch.zeros(len(places), descriptors.shape[3])
    for corner in itertools.product((0, 1), repeat=3):
        offset = torch.tensor(corner)
        index = torch.minimum(low + offset, shape - 1)
        weight = torch.where(offset.bool(), places - low, 1 - (places - low)).prod(dim=1, keepdim=True)
        total += weight * descriptors[index[:, 0], index[:, 1], index[:, 2]].float()
    return functional.normalize(total, dim=1)


def _starts(length: int, size: int) -> list[int]:
    """First voxels of tiles that cover an axis, on whole cells of the coarsest level; the last may reach beyond."""
    return sorted(
        {-(-start // DIVISOR) * DIVISOR for start in window_starts(length, size, OVERLAP if length > size else 0)}
    )


def _kept(first: int, count: int, cells: int, thin: int) -> tuple[slice, slice]:
    """Which of a tile's cells along an axis are kept, and where: every `thin`-th cell of the volume, its block's middle."""
    middle = thin // 2
    begin = -(-(first - middle) // thin)  # the first kept cell at or after the tile's first
    begin = max(begin, 0)
    end = min((first + count - 1 - middle) // thin + 1, cells)
    own = begin * thin + middle - first
    return slice(own, own + max(end - begin, 0) * thin, thin), slice(begin, max(end, begin))


@torch.inference_mode()
def _described(
    seen: Volume, window: tuple[float, float], net: Network, start: Sequence[int], size: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Descriptors (*cells, D) float32 and whether each cell shows something, of a box that may reach beyond the volume."""
    device = next(net.parameters()).device
    box = padded_box(seen.array, start, size, _lowest(seen, window))
    image = normalise(torch.from_numpy(np.ascontiguousarray(box))[None, None], torch.tensor([window]))
    with torch.autocast(device.type, torch.bfloat16, enabled=choose_precision("auto", device.type) == "bf16"):
        found = net(image.to(device)).float()[0].movedim(0, -1).cpu()
    return found, visible_cells(image, cast(VoxelEncoder, net).stride)[0]


def _lowest(seen: Volume, window: tuple[float, float]) -> float:
    """What lies beyond a volume: what the network sees as 0, as near as the stored type has it."""
    if seen.array.dtype.kind != "i":
        return window[0]
    limits = np.iinfo(seen.array.dtype)
    return float(np.clip(np.floor(window[0]), limits.min, limits.max))
