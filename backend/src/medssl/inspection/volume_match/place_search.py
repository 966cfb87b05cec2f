"""Where in a volume is what lies at a point of another? A search over its cells, then a closer look at the best places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import VolumeError
from medssl.inference.volumes.voxel_grid import VoxelGrid, interpolated, look_closely
from medssl.networks.network import Network

APART = 4.0  # cells: another place, not the same one's neighbour
CANDIDATES = 3  # places that are looked at closely
REACH = 2  # steps of the grid around a candidate, within which the closer look may move it
SIDE = 64  # voxels of a closer look, at most
CHUNK = 2**16  # cells compared at a time
MAPS = 16  # points whose maps are held at a time: one of a large volume has megabytes


@dataclass(frozen=True)
class PlaceMatch:
    """The best place of a volume for one point, and the best one elsewhere; points are mm in the LPS frame.

    `confidence` is 1 - (1 - best) / (1 - runner-up), as `inspection.anatomy.similarity.Match` has it: 0 where another place is
    as alike, towards 1 where nothing else comes near. `way_back` is how far from the point one comes out when what lies at the
    best place is looked for in the first volume: small where both agree.
    """

    point: np.ndarray
    similarity: float
    runner_up: np.ndarray | None
    runner_up_similarity: float | None
    confidence: float
    way_back: float


def check_points(grid: VoxelGrid, points: np.ndarray, name: str) -> None:
    """Refuse points outside a volume.

    Args:
        points: (Q, 3) mm, LPS.

    Raises:
        VolumeError: one lies outside.
    """
    for point, share in zip(points, grid.relative(points)):
        if (share < 0).any() or (share > 1).any():
            right, front, up = point * (-1, -1, 1)
            raise VolumeError(
                f"point {right:.1f}, {front:.1f}, {up:.1f} (RAS)", f"lies outside {name}",
                "Give a point of the first volume, in mm of the RAS frame, as Slicer shows it", code="place-outside",
            )  # fmt: skip


def points_shown(grid: VoxelGrid, points: np.ndarray) -> np.ndarray:
    """(Q,) bool: whether the cells nearest to points (Q, 3) show something; between others there is nothing to look for."""
    nearest = np.clip(np.rint(grid.places(points)), 0, np.array(grid.shape) - 1).astype(int)
    return grid.foreground.numpy()[tuple(nearest.T)]


def find_places(
    source: VoxelGrid, target: VoxelGrid, net: Network, points: np.ndarray, radius: float = 0.0, refine: bool = True
) -> Iterator[tuple[PlaceMatch, Tensor]]:
    """The best place of `target` for each point of `source`, and how alike every cell is; one after another, as maps are large.

    Args:
        source, target: both under `net`.
        points: (Q, 3) mm, LPS, inside the source.
        radius: mm around the same relative place (share of the volume's sides) that are searched; 0: everywhere.
        refine: the candidates, and the point itself, are looked at closely, each in the middle of a tile; else the cells decide, as
            they do where both volumes were seen in one piece: there a tile shows less, and much of it is padding.

    Yields:
        For each point its match, without confidence where the point's cell shows nothing, and the similarities (I, J, K) of the
        target's cells; those that show nothing too.
    """
    side = closer_side(source, target)
    closely_seen = refine and not (source.in_one_piece and target.in_one_piece)
    maps = (one for some in source.at(points).split(MAPS) for one in similarity_maps(target, some))
    for point, values, shown in zip(points, maps, points_shown(source, points)):
        allowed = target.foreground & _within(target, target.points_at(source.relative(point)), radius)
        peaks = _peaks(values, allowed, target)
        if closely_seen:
            tile, middle = look_closely(source, net, point, side)
            closely = interpolated(tile, torch.as_tensor(middle, dtype=torch.float32)[None])[0]
            peaks = [_looked_at(target, net, closely, peak, side) for peak in peaks]
            peaks.sort(key=lambda peak: -peak[1])
        match = _match(source, target, point, peaks)
        yield (match if shown else replace(match, confidence=0.0)), values


def similarity_maps(grid: VoxelGrid, descriptors: Tensor) -> Tensor:
    """Cosine similarities (Q, I, J, K) float32 of every cell to descriptors (Q, D) of unit length."""
    flat = grid.descriptors.flatten(0, 2)
    parts = [cells.float() @ descriptors.T for cells in flat.split(CHUNK)]
    return torch.cat(parts).T.unflatten(1, grid.shape).contiguous()


def closer_side(*grids: VoxelGrid) -> int:
    """Voxels of the sides of a closer look: it sees no more than the volumes have along their shortest side, nor less than 16."""
    shortest = min(min(grid.seen.shape) for grid in grids)
    return max(16, min(SIDE, shortest // 8 * 8))


def peak_offset(values: np.ndarray, place: Sequence[int]) -> np.ndarray:
    """From a maximum of (I, J, K) to the vertex of the parabolas through its neighbours, in steps: half a step at most.

    None along an axis where the place is no maximum, or lies at the border.
    """
    offset = np.zeros(3)
    for axis, n in enumerate(place):
        if not 0 < n < values.shape[axis] - 1:
            continue
        before, here, after = (float(values[(*place[:axis], n + d, *place[axis + 1 :])]) for d in (-1, 0, 1))
        bend = before - 2 * here + after
        if bend < 0 and here >= max(before, after):
            offset[axis] = 0.5 * (before - after) / bend
    return offset


def _within(grid: VoxelGrid, centre: np.ndarray, radius: float) -> Tensor:
    """(I, J, K) bool: cells within a radius in mm of a point; all where it is 0."""
    if not radius:
        return torch.ones(grid.shape, dtype=torch.bool)
    found = _squared_mm(grid, grid.places(centre)) <= radius**2
    if not bool((found & grid.foreground).any()):
        raise VolumeError(
            f"search_radius = {radius:g} mm", "holds nothing of the other volume that could be compared",
            "Take a larger radius, or 0 for everywhere", code="search-radius-empty",
        )  # fmt: skip
    return found


def _squared_mm(grid: VoxelGrid, place: np.ndarray) -> Tensor:
    """(I, J, K) squared distances in mm of the cells to a place."""
    i, j, k = (
        ((torch.arange(n) - p) * step) ** 2 for n, p, step in zip(grid.shape, place.tolist(), grid.step_mm.tolist())
    )
    return i[:, None, None] + j[:, None] + k


Peak = tuple[np.ndarray, float]  # a point (3,) and its similarity


def _peaks(values: Tensor, allowed: Tensor, grid: VoxelGrid) -> list[Peak]:
    """The best allowed places at least APART cells from each other, the best first."""
    left = torch.where(allowed, values, -torch.inf)
    peaks: list[Peak] = []
    cell = float(grid.step_mm.max())
    while len(peaks) < CANDIDATES and bool(left.isfinite().any()):
        place = [int(n) for n in np.unravel_index(int(left.argmax()), left.shape)]
        exact = np.array(place) + peak_offset(values.numpy(), place)
        peaks.append((grid.points(exact), float(left[tuple(place)])))
        left[_squared_mm(grid, np.array(place, float)) < (APART * cell) ** 2] = -torch.inf
    return peaks


def _looked_at(grid: VoxelGrid, net: Network, descriptor: Tensor, peak: Peak, side: int) -> Peak:
    """A candidate after a closer look: moved to the most alike cell nearby, and its similarity there."""
    tile, middle = look_closely(grid, net, peak[0], side)
    values = (tile @ descriptor).numpy()
    stride_mm = grid.seen.spacing * (side / values.shape[0])
    reach = REACH * grid.step * values.shape[0] / side  # steps of the grid, in cells of the tile
    near = np.zeros_like(values, dtype=bool)
    near[tuple(slice(max(int(np.floor(m - reach)), 0), int(np.ceil(m + reach)) + 1) for m in middle)] = True
    place = [int(n) for n in np.unravel_index(np.argmax(np.where(near, values, -np.inf)), values.shape)]
    moved = (np.array(place) + peak_offset(values, place) - middle) * stride_mm
    return peak[0] + grid.seen.direction @ moved, float(values[tuple(place)])


def _match(source: VoxelGrid, target: VoxelGrid, point: np.ndarray, peaks: list[Peak]) -> PlaceMatch:
    best, similarity = peaks[0]
    back = torch.where(source.foreground, similarity_maps(source, target.at(best[None]))[0], -torch.inf)
    place = [int(n) for n in np.unravel_index(int(back.argmax()), back.shape)]
    way_back = float(np.linalg.norm(source.points(np.array(place, float)) - point))
    apart = APART * float(target.step_mm.max())
    others = [peak for peak in peaks[1:] if np.linalg.norm(peak[0] - best) >= apart / 2]  # a closer look moves places
    if not others:
        return PlaceMatch(best, similarity, None, None, 0.0, way_back)
    second, runner_up = others[0]
    confidence = 0.0 if runner_up >= 1 else float(np.clip(1 - (1 - similarity) / (1 - runner_up), 0, 1))
    return PlaceMatch(best, similarity, second, runner_up, confidence, way_back)
