"""Volumes on another grid with the same edges: splines where made finer, antialiased where coarsened, slab by slab.

Along each axis the result is a matrix times the source; the matrices come from libraries: SciPy's cubic spline through the voxels, and
torch's `interpolate` with `antialias` (the law of Pillow).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor
from torch.nn import functional

from medssl.images.formats.guards import check_memory
from medssl.images.volume import Volume

MODES = {"cubic": "bicubic", "linear": "bilinear"}
SLAB = 32  # slices at a time
NEGLIGIBLE = 1e-4  # weight of a voxel in a spline, which reaches beyond all bounds

Read = Callable[
    [int, int], Tensor
]  # slices first...last (half open) as (channels, i, j, slices), asked for in rising order


def resampled_shape(shape: Sequence[int], spacing: Sequence[float], target: Sequence[float]) -> tuple[int, ...]:
    """Voxels along each axis so that a volume keeps its edges and comes as near to the target spacing as it can."""
    return tuple(max(round(n * float(old) / float(new)), 1) for n, old, new in zip(shape, spacing, target))


def resample(volume: Volume, target: Sequence[float], interpolation: str = "cubic") -> Volume:
    """A 3D volume with voxels of about `target` mm along its axes, its edges where they were.

    Whole numbers stay whole numbers, and no value leaves the range of the volume's. A volume that has that many voxels
    already is returned as it is. Beside the result only a few slices are in memory.

    Args:
        volume: 3D, of whole or other numbers.
        target: mm along i, j, k; the result's spacing is the nearest that divides the volume's extent.
        interpolation: cubic or linear.

    Raises:
        VolumeError: the result would not fit into memory.
    """
    shape = resampled_shape(volume.shape, volume.spacing.tolist(), target)
    if shape == volume.shape:
        return volume
    check_memory(Path(volume.name or "volume"), shape, math.prod(shape) * volume.array.dtype.itemsize)
    out = np.empty(shape, volume.array.dtype, order="F")
    low, high = float(volume.array.min()), float(volume.array.max())
    whole = volume.array.dtype.kind in "iub"
    for first, slab in resample_slabs(array_reader(volume.array), volume.shape, shape, interpolation):
        values = slab[0].clamp(low, high)
        out[:, :, first : first + slab.shape[3]] = (values.round() if whole else values).numpy()
    further = tuple(resample(one, target, interpolation) for one in volume.further)
    return replace(on_grid(volume, out), further=further)


def resample_labels(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A label map (i, j, k) on a grid of another shape with the same edges: at each voxel the value that covers most of it.

    Each value is interpolated by itself (linear, antialiased), so that none is invented; of equals the smaller value stays.
    """
    if tuple(shape) == labels.shape:
        return labels
    values = np.unique(labels)
    out, best = np.full(shape, values[0], labels.dtype, order="F"), np.zeros(shape, np.float32, order="F")
    for value in values:
        for first, slab in resample_slabs(array_reader(labels == value), labels.shape, shape, "linear"):
            share, place = slab[0].numpy(), (slice(None), slice(None), slice(first, first + slab.shape[3]))
            more = share > best[place] + 1e-6
            out[place][more], best[place] = value, np.maximum(best[place], share)
    return out


def on_grid(volume: Volume, array: np.ndarray) -> Volume:
    """An array that covers the same extent as a volume, with the geometry that follows."""
    spacing = volume.spacing * np.array(volume.shape) / np.array(array.shape)
    return replace(
        volume, array=array, spacing=spacing, origin=volume.origin + volume.direction @ ((spacing - volume.spacing) / 2)
    )


@torch.inference_mode()
def resample_slabs(
    read: Read,
    shape: Sequence[int],
    target: Sequence[int],
    interpolation: str = "linear",
    smooth: bool = True,
    slab: int = SLAB,
) -> Iterator[tuple[int, Tensor]]:
    """Resample (channels, i, j, k) onto another grid with the same edges, from the first slice to the last.

    Memory is that of the slices which are read, and of the result's: where there are more of the former, they are brought
    together before any is interpolated.

    Args:
        read: gives slices of the source, float32, on any device.
        shape: (i, j, k) of the source.
        target: (i, j, k) of the result.
        interpolation: linear keeps probabilities probabilities (positive, of sum 1); cubic may overshoot.
        smooth: average over what a coarser voxel covers, instead of looking at its middle.
        slab: slices of the result at a time.

    Yields:
        Number of the first slice, and a new tensor (channels, *target[:2], slices).
    """
    rows, columns, weights = (axis_weights(old, new, interpolation, smooth) for old, new in zip(shape, target))
    in_plane = partial(_in_plane, rows=rows, columns=columns, interpolation=interpolation, smooth=smooth)
    for first in range(0, target[2], slab):
        some = weights[first : first + slab]
        used = some.ne(0).any(dim=0).nonzero().flatten()
        low, high = int(used[0]), int(used[-1]) + 1
        found = read(low, high)  # (C, i, j, n)
        few = some[:, low:high].to(found.device)  # (slices, n)
        if len(few) < high - low:  # fewer slices first: what is interpolated in the plane is no deeper than the result
            yield first, in_plane(torch.tensordot(found, few, dims=([3], [1])))
        else:
            yield first, torch.tensordot(in_plane(found), few, dims=([3], [1]))


def _in_plane(found: Tensor, rows: Tensor, columns: Tensor, interpolation: str, smooth: bool) -> Tensor:
    """(C, i, j, slices) with other rows and columns; by the weights themselves where a spline makes either finer."""
    shape, target = (rows.shape[1], columns.shape[1]), (len(rows), len(columns))
    if shape == target:
        return found
    if interpolation == "cubic" and any(new > old for old, new in zip(shape, target)):
        found = torch.tensordot(rows.to(found.device), found, dims=([1], [1])).transpose(0, 1)
        return torch.tensordot(columns.to(found.device), found, dims=([1], [2])).permute(1, 2, 0, 3)
    planes = found.permute(3, 0, 1, 2).contiguous()  # the same weights, applied without the zeros
    planes = functional.interpolate(planes, target, mode=MODES[interpolation], antialias=smooth)
    return planes.permute(1, 2, 3, 0)


def axis_weights(old: int, new: int, interpolation: str = "linear", smooth: bool = True) -> Tensor:
    """(new, old) float32: what each of `new` voxels along an axis takes of each of `old` that cover the same length."""
    if old == new:
        return torch.eye(old)
    if interpolation == "cubic" and new > old > 3:
        return _spline_weights(old, new)
    found = functional.interpolate(torch.eye(old)[None, None], (old, new), mode=MODES[interpolation], antialias=smooth)
    return found[0, 0].T.contiguous()


def _spline_weights(old: int, new: int) -> Tensor:
    """Of the cubic spline through the voxels' centres; beyond the first and last centre it stays what it is there."""
    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    weights = make_interp_spline(np.arange(old), np.eye(old), k=3)(places)
    weights[np.abs(weights) < NEGLIGIBLE] = 0.0
    return torch.from_numpy((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def array_reader(array: np.ndarray) -> Read:
    """Slices of an array (i, j, k) as float32 (1, i, j, slices)."""
    return lambda first, last: torch.from_numpy(np.ascontiguousarray(array[:, :, first:last], np.float32))[None]


class StreamReader:
    """Slices of what arrives as slabs from the first to the last, such as a network's answers; kept until they are behind."""

    def __init__(self, slabs: Iterator[tuple[int, Tensor]]) -> None:
        self._slabs, self._first = slabs, 0
        self._held: Tensor | None = None

    def __call__(self, first: int, last: int) -> Tensor:
        """Slices first...last; what lies before `first` is gone afterwards."""
        while self._held is None or self._first + self._held.shape[3] < last:
            start, slab = next(self._slabs)
            if self._held is None:
                self._first, self._held = start, slab.clone()
            else:
                kept = self._held[..., max(first - self._first, 0) :]
                self._first = min(max(first, self._first), start)  # a slab may end before the next slice that is wanted
                self._held = torch.cat([kept, slab], dim=3)
        return self._held[..., first - self._first : last - self._first]
