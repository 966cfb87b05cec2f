"""Restoration of volumes: distort one, let a model restore it, measure how well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medssl.core.capabilities import RESTORE
from medssl.core.errors import ConfigError, VolumeError
from medssl.core.plan import Plan
from medssl.evaluation.metrics.image_metrics import image_metrics
from medssl.images.formats.guards import check_memory
from medssl.images.intensity.model_window import intensity_window
from medssl.images.intensity.normalise import denormalise, normalise
from medssl.images.volume import Volume, compact
from medssl.inference.capabilities import require
from medssl.inference.volumes.distorted_windows import make_distortion, restore_windows
from medssl.inference.volumes.model_grid import notes_before, on_model_grid, turn_of
from medssl.networks.network import Network

BATCH = 4
SLICES = 16  # converted at a time
# Per voxel that the model sees: the image, distorted, restored, their difference, and what measuring takes.
GRID_BYTES = 24
OWN_BYTES = 16  # per voxel of the source beside its own: what comes back of those
WHOLE: tuple[slice, slice, slice] = (slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Restoration:
    """What a restoration shows.

    `original`, `distorted` and `restored` are in the source's units, clipped to the model's intensity window; `error` is
    the absolute difference of restored and original where that window is 0…1. All lie where the source (or the region)
    lies, on its voxels. `table` has a row each for distorted, restored and constant mean: image, mse, psnr (dB), ssim, measured
    on the voxels that the model sees; of a region that it saw with what is around it, on those of the region. `info`: `window`
    (stored intensities that became 0 and 1), `tiles` (start and distortions of each window, on the model's grid of what it saw),
    `method`, `fidelity`, `modality`, `geometry` of the model, `notes`.
    """

    original: Volume
    distorted: Volume
    restored: Volume
    error: Volume
    table: list[dict[str, Any]]
    info: dict[str, Any]


def restore_volume(
    volume: Volume,
    net: Network,
    distortion: str = "random",
    strength: float = 1.0,
    seed: int = 0,
    roi: Sequence[Sequence[int]] | None = None,
    overlap: float = 0.25,
    progress: Callable[[float, str], None] | None = None,
) -> Restoration:
    """Distort `volume` and restore it with `net`.

    The volume is seen in the orientation and spacing that the model was trained with, and what was made comes back to its own
    voxels. The intensity window is that of the whole volume, under the rule the model was trained with; then windows of the
    model's input size are distorted and restored one by one (see `restore_windows`). A network of fidelity "released" normalises
    by the statistics of its batch, so that a window's answer would depend on its neighbours: it gets one at a time.

    Args:
        distortion: random (as in training), none, shuffle, bezier, inpaint or outpaint.
        strength: 0…1, share of the published extent.
        roi: ((i0, i1), (j0, j1), (k0, k1)), half open; None: all. A model whose input is larger sees what is around it too.
        overlap: of neighbouring windows, 0 ≤ overlap < 1.
        progress: called with (fraction, message); may raise CancelledError.

    Raises:
        WeightsError: a model that does not restore.
        VolumeError: a 2D or constant volume, or an empty region or one that reaches beyond the volume.
        InputError: a volume of another modality than the model's.
        ConfigError: an unknown distortion, a strength or an overlap out of range.
    """
    plan = _check(volume, net, overlap)
    chosen = make_distortion(distortion, strength)
    low, high = intensity_window(volume, plan)
    region, around, inside = (volume, volume, WHOLE) if roi is None else _regions(volume, roi, plan)
    grid, bounds, own = on_model_grid(around, plan), torch.tensor([[low, high]]), around.shape == region.shape
    need = GRID_BYTES * prod(grid.volume.shape) + OWN_BYTES * prod(around.shape)
    check_memory(Path(volume.name or "volume"), around.shape, need)
    original = _unit(grid.volume, bounds)
    report = progress or (lambda fraction, message: None)
    distorted, restored, tiles = restore_windows(
        original, net, chosen, plan.input_size, overlap, seed,
        batch=1 if plan.fidelity == "released" else BATCH, device=next(net.parameters()).device,
        progress=lambda n, of: report(n / of, f"restored {n} of {of} windows"),
    )  # fmt: skip
    images = {"original": original, "distorted": distorted, "restored": restored}
    table = _table(images) if own else []
    error = np.abs(difference := restored - original, out=difference)
    # A whole CT's take gigabytes: each goes once it is back on its own voxels.
    del original, distorted, restored, difference
    error = grid.image_back(error)[inside]
    for name in images:
        images[name] = grid.image_back(images[name])[inside]
    if not own:
        table = _table({name: np.ascontiguousarray(grid.turn.apply(image)) for name, image in images.items()})
    images["original"] = _unit(region, bounds)
    shown = {name: _in_units(images.pop(name), region, bounds) for name in tuple(images)}
    return Restoration(
        **shown,
        error=region.with_array(error),
        table=table,
        info={
            "window": [low, high], "tiles": tiles, "method": plan.method, "fidelity": plan.fidelity,
            "modality": plan.modality, "geometry": plan.geometry.text(), "notes": list(notes_before(volume, plan)),
        },
    )  # fmt: skip


def _regions(
    volume: Volume, roi: Sequence[Sequence[int]], plan: Plan
) -> tuple[Volume, Volume, tuple[slice, slice, slice]]:
    """The region; the same as wide as the model's input at least, where the volume has that much; and where it lies in that.

    It lies in the middle, as far as it can: at the same place of the patient, however the volume is stored.
    """
    region, turn, box = volume.crop(roi), turn_of(volume, plan), [*map(tuple, roi)]
    steps = plan.geometry.spacing or [volume.spacing[axis] for axis in turn.order]  # mm, along the model's axes
    for axis, flipped, side, step in zip(turn.order, turn.flipped, plan.input_size, steps):
        first, had, count = roi[axis][0], region.shape[axis], volume.shape[axis]
        missing = max(0, min(ceil(side * step / volume.spacing[axis] - 1e-6), count) - had)
        begin = min(max(first - (missing + flipped) // 2, 0), count - had - missing)
        box[axis] = begin, begin + had + missing
    i, j, k = (slice(a - first, b - first) for (a, b), (first, _) in zip(roi, box))
    return region, volume.crop(box), (i, j, k)


def _unit(volume: Volume, bounds: torch.Tensor) -> np.ndarray:
    """The voxels in 0…1."""
    out = np.empty(volume.shape, np.float32)
    for slab in _slabs(volume.shape):
        raw = np.ascontiguousarray(compact(volume.array[slab]))
        out[slab] = normalise(torch.from_numpy(raw)[None], bounds)[0].numpy()
    return out


def _slabs(shape: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Pieces along the last axis: what is computed of one at a time takes no memory worth counting."""
    return ((..., slice(first, first + SLICES)) for first in range(0, shape[-1], SLICES))


def _check(volume: Volume, net: Network, overlap: float) -> Plan:
    plan = net.plan
    require(plan, RESTORE)
    if volume.array.ndim != 3 or volume.shape[2] == 1:
        raise VolumeError(
            f"{volume.name or 'image'} of shape {volume.shape}",
            "is 2D where the model needs a volume",
            "Choose a volume",
            code="not-3d",
        )
    if not 0 <= overlap < 1:
        raise ConfigError(
            f"overlap = {overlap}",
            "must be at least 0 and below 1",
            "0.25 is a good start",
            code="setting-out-of-range",
        )
    return plan


def _in_units(image: np.ndarray, region: Volume, bounds: torch.Tensor) -> Volume:
    """0…1 back to stored units; whole numbers where the source has them."""

    def units(part: np.ndarray) -> np.ndarray:
        values = denormalise(torch.from_numpy(np.ascontiguousarray(part))[None], bounds)[0].numpy()
        return np.rint(values) if region.array.dtype.kind in "iu" else values

    ends = units(np.array([image.min(), image.max()]))
    kind = compact(ends).dtype if region.array.dtype.kind in "iu" else np.dtype(np.float32)
    out = np.empty(image.shape, kind)
    for slab in _slabs(image.shape):
        out[slab] = units(image[slab])
    return replace(region, array=out)


def _table(images: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """How far the distorted and the restored image, and a constant one, are from the original."""
    original = torch.from_numpy(images["original"])[None, None]
    compared = {name: torch.from_numpy(image)[None, None] for name, image in images.items() if name != "original"}
    compared["constant mean"] = torch.full((1,) * original.ndim, float(images["original"].mean())).expand_as(original)
    return [{"image": name, **image_metrics(image, original)[0]} for name, image in compared.items()]
