"""Restoration inspection: distort a volume, let a model restore it, measure how well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from medssl.core.errors import ConfigError, InputError, VolumeError, WeightsError
from medssl.core.plan import Plan
from medssl.core.requests import RestoreRequest
from medssl.core.tables import write_table
from medssl.evaluation.metrics.image_metrics import image_metrics
from medssl.images.formats.reading import write_volume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import denormalise, normalise, resolve, window
from medssl.images.intensity.volume_statistics import compute
from medssl.images.volume import Volume, compact, guess_modality
from medssl.inference.volumes.tiles import distort_tiles, make_distortion
from medssl.inference.volumes.windows import apply_windows
from medssl.reports.figures.montage import MontageRow, write_montage

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext

METHOD = "genesis"  # the method whose networks restore volumes
BATCH = 4
DISTORTING = 0.1  # share of the time, for the progress bar
IMAGES = ("original", "distorted", "restored", "error")


@dataclass(frozen=True)
class Restoration:
    """What a restoration shows.

    `original`, `distorted` and `restored` are in the source's units, clipped to the model's intensity window; `error` is
    the absolute difference of restored and original where that window is 0…1. All lie where the source (or the region)
    lies. `table` has a row each for distorted, restored and constant mean: image, mse, psnr (dB), ssim. `info`: `window`
    (stored intensities that became 0 and 1), `tiles` (start and distortions of each), `method`, `fidelity`, `modality`.
    """

    original: Volume
    distorted: Volume
    restored: Volume
    error: Volume
    table: list[dict[str, Any]]
    info: dict[str, Any]


def restore(
    volume: Volume,
    net: nn.Module,
    distortion: str = "random",
    strength: float = 1.0,
    seed: int = 0,
    roi: Sequence[Sequence[int]] | None = None,
    overlap: float = 0.25,
    progress: Callable[[float, str], None] | None = None,
) -> Restoration:
    """Distort `volume` and restore it with `net`.

    The intensity window is that of the whole volume, under the rule the model was trained with; then tiles of the model's
    input size are distorted, and overlapping windows restored and blended. A network of fidelity "released" normalises
    by the statistics of its batch, so that a window's answer would depend on its neighbours: it gets one at a time.

    Args:
        distortion: random (as in training), none, shuffle, bezier, inpaint or outpaint.
        strength: 0…1, share of the published extent.
        roi: ((i0, i1), (j0, j1), (k0, k1)), half open; None: all.
        overlap: of neighbouring windows, 0 ≤ overlap < 1.
        progress: called with (fraction, message); may raise CancelledError.

    Raises:
        WeightsError: a model of another method.
        VolumeError: a 2D or constant volume, or an empty region or one that reaches beyond the volume.
        InputError: a volume of another modality than the model's.
        ConfigError: an unknown distortion, a strength or an overlap out of range.
    """
    plan = _check(volume, net, overlap)
    chosen = make_distortion(distortion, strength)
    low, high = intensity_window(volume, plan)
    region = volume.crop(roi) if roi is not None else volume
    bounds = torch.tensor([[low, high]])
    original = normalise(torch.from_numpy(np.ascontiguousarray(compact(region.array)))[None], bounds)[0].numpy()
    tell = progress or (lambda fraction, message: None)
    distorted, tiles = distort_tiles(
        original, chosen, plan.input_size, seed, lambda n, of: tell(DISTORTING * n / of, f"distorted {n} of {of} tiles")
    )
    restored = apply_windows(
        distorted, net, plan.input_size, overlap,
        batch=1 if plan.fidelity == "released" else BATCH, device=next(net.parameters()).device,
        progress=lambda n, of: tell(DISTORTING + (1 - DISTORTING) * n / of, f"restored {n} of {of} windows"),
    )  # fmt: skip
    images = {"distorted": distorted, "restored": restored, "constant mean": np.full_like(original, original.mean())}
    return Restoration(
        original=_in_units(original, region, bounds),
        distorted=_in_units(distorted, region, bounds),
        restored=_in_units(restored, region, bounds),
        error=region.with_array(np.abs(restored - original)),
        table=[{"image": name, **_compare(image, original)} for name, image in images.items()],
        info={
            "window": [low, high], "tiles": tiles, "method": plan.method, "fidelity": plan.fidelity,
            "modality": plan.modality,
        },
    )  # fmt: skip


def inspect(asked: RestoreRequest, context: FolderContext) -> None:
    """Answer a RestoreRequest: original, distorted, restored and error as NRRD, a montage and the table."""
    context.progress(0.0, "reading the volume")
    volume = context.volume(asked.volume)
    context.progress(0.0, "loading the model")
    net = context.model(asked.model, asked.fidelity, asked.device)
    found = restore(
        volume, net, asked.distortion, asked.strength, asked.seed, asked.roi, asked.overlap, context.progress
    )
    files = [f"{name}.nrrd" for name in IMAGES]
    for name, file in zip(IMAGES, files):
        context.progress(1.0, f"writing {file}")
        write_volume(getattr(found, name), context.folder / file, compress=False)  # decoding costs more than loopback
    write_montage(montage_rows(found), context.folder / "montage.png")
    write_table(found.table, context.folder / "table.csv")
    info = {**found.info, "model": asked.model, "volume": volume.name, "distortion": asked.distortion}
    context.finish([*files, "montage.png", "table.csv"], found.table, info)


def intensity_window(volume: Volume, plan: Plan) -> tuple[float, float]:
    """The stored intensities of `volume` that become 0 and 1 for this model.

    Raises:
        InputError: the volume's modality, as stated or as its values tell, is not the model's.
        VolumeError: a constant volume.
    """
    modality = volume.modality or _unstated(volume, plan)
    if plan.modality and modality != plan.modality:
        raise InputError(
            f"{volume.name or 'volume'} of modality {modality}",
            f"does not suit a model trained on {plan.modality}",
            f"Choose a {plan.modality} volume, or a model trained on {modality}",
        )
    rule = resolve(NormalisationConfig(**plan.normalisation), modality, volume.name or "volume")
    return window(rule, compute(volume.array, modality), volume.name or "volume")


def _unstated(volume: Volume, plan: Plan) -> str:
    """The modality of a volume that does not say: the model's, unless the voxels are plainly Hounsfield units."""
    return "CT" if plan.modality == "MR" and guess_modality(volume.array) == "CT" else plan.modality


def montage_rows(found: Restoration) -> list[MontageRow]:
    """Three slices of the restoration, at a quarter, half and three quarters of the depth."""
    low, high = found.info["window"]
    depth = found.original.shape[2]
    aspect, rows = float(found.original.spacing[1] / found.original.spacing[0]), []
    for k in sorted({depth // 4, depth // 2, 3 * depth // 4}):
        original, distorted, restored = (
            (v.array[:, :, k].astype(np.float32) - low) / (high - low)
            for v in (found.original, found.distorted, found.restored)
        )
        rows.append(MontageRow(original, distorted, restored, f"k = {k}", aspect))
    return rows


def _check(volume: Volume, net: nn.Module, overlap: float) -> Plan:
    plan = cast(Plan, net.plan)
    if plan.method != METHOD:
        raise WeightsError(
            f"model of method {plan.method!r}", "does not restore volumes", "Choose a Models Genesis model"
        )
    if volume.array.ndim != 3 or volume.shape[2] == 1:
        raise VolumeError(
            f"{volume.name or 'image'} of shape {volume.shape}",
            "is 2D where the model needs a volume",
            "Choose a volume",
        )
    if not 0 <= overlap < 1:
        raise ConfigError(f"overlap = {overlap}", "must be at least 0 and below 1", "0.25 is a good start")
    return plan


def _in_units(image: np.ndarray, region: Volume, bounds: torch.Tensor) -> Volume:
    """0…1 back to stored units; whole numbers where the source has them."""
    values = denormalise(torch.from_numpy(image)[None], bounds)[0].numpy()
    whole = region.array.dtype.kind in "iu"
    return replace(region, array=compact(np.rint(values)) if whole else values)


def _compare(image: np.ndarray, original: np.ndarray) -> dict[str, float]:
    return image_metrics(torch.from_numpy(image)[None, None], torch.from_numpy(original)[None, None])[0]
