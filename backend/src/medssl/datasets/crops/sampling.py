"""Sampling of training crops: where in a volume one is taken from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medssl.core.errors import InputError
from medssl.datasets.cache.cached_volume import CachedVolume

TRIES = 50
MARGINS = (100, 100, 30)  # voxels along i, j, k that stay away from the border, at most a fifth of the volume
TISSUE = -150  # HU
CT_AIR = -925.0  # HU, half-way between air and aerated lung, as far from both as noise allows
LUNG_IS_BODY = 5  # the first version of job specs whose sampler `body` keeps aerated lung; before, it was `tissue`


@dataclass(frozen=True)
class Sampler:
    """Keeps a crop whose `score` (0: ideal) is at most `limit`; `modality` "" suits all."""

    score: Callable[[np.ndarray, CachedVolume], float]
    limit: float
    modality: str = ""
    beyond: int = 0  # further slices that the score looks at


def _air_share(crop: np.ndarray, volume: CachedVolume) -> float:
    """Share of air; the lung's is body, as it is in what Models Genesis trained on."""
    return _share_below(crop, CT_AIR if volume.modality == "CT" else volume.statistics.air_threshold)


def _lucent_share(crop: np.ndarray, volume: CachedVolume) -> float:
    return _share_below(crop, volume.statistics.air_threshold)


def _share_below(crop: np.ndarray, threshold: float) -> float:
    return float(np.count_nonzero(crop < threshold)) / max(crop.size, 1)


def _tissue_weight(crop: np.ndarray, volume: CachedVolume) -> float:
    """Mean of 1 for tissue, 0.5 for what has tissue only in the next slice (k + 1); the last slice is looked at as that alone."""
    tissue = crop >= TISSUE
    own, following = tissue[..., :-1], tissue[..., 1:]
    return (np.count_nonzero(own) + 0.5 * np.count_nonzero(~own & following)) / max(own.size, 1)


SAMPLERS = {
    "body": Sampler(_air_share, limit=0.85),  # rejects crops of air
    "tissue": Sampler(_lucent_share, limit=0.85),  # of a CT rejects aerated lung too
    "lung": Sampler(
        _tissue_weight, limit=0.15, modality="CT", beyond=1
    ),  # keeps mostly aerated lung, as the paper's release
    "uniform": Sampler(lambda crop, volume: 0.0, limit=0.0),  # keeps all
}


def sampler_rule(sampler: str, version: int) -> str:
    """The sampler of a training whose job spec has this version: one begun before goes on with the crops that it began with."""
    return "tissue" if sampler == "body" and version < LUNG_IS_BODY else sampler


def check_sampler(sampler: str, volume: CachedVolume) -> None:
    """Refuse a sampler that cannot judge this volume.

    Raises:
        InputError: an unknown sampler, or one made for another modality.
    """
    if sampler not in SAMPLERS:
        raise InputError(
            f"sampler {sampler!r}", "is unknown", f"Use one of {', '.join(SAMPLERS)}", code="sampler-unknown"
        )
    needed = SAMPLERS[sampler].modality
    if needed and volume.modality != needed:
        raise InputError(
            f"{volume.name} of modality {volume.modality or 'unknown'}",
            f"does not fit the sampler {sampler!r}, made for {needed}",
            "Use 'body'",
            code="modality-mismatch",
        )


def draw_crop(
    volume: CachedVolume,
    size: Sequence[int],
    sampler: str,
    rng: np.random.Generator,
    margins: Sequence[int] = MARGINS,
) -> tuple[tuple[int, ...], np.ndarray]:
    """Draw one crop: where it starts, and its raw voxels (*size); at most 50 tries, then the best seen.

    A try looks at every fourth row and column of the crop, which gives the share of air or tissue of a 64 x 64 x 32 crop to a
    hundredth; only the crop that is kept is decoded (50 whole crops took 55 ms, this takes 4).

    Positions are uniform, away from the border by min(margin, n // 5) voxels along each axis (less where the volume is too small
    for that). A volume smaller than the crop is padded with its minimum at the far ends.
    """
    rule, best_score = SAMPLERS[sampler], np.inf
    best: tuple[int, ...] = ()
    bounds = _bounds(volume, size, margins)
    judged = (*size[:-1], size[-1] + rule.beyond)
    for _ in range(TRIES):
        start = tuple(int(rng.integers(low, high + 1)) for low, high in bounds)
        score = rule.score(volume.sparse_crop(start, judged), volume)
        if not best or score < best_score:
            best, best_score = start, score
        if score <= rule.limit or all(low == high for low, high in bounds):
            break
    return best, volume.crop(best, size)


def _bounds(volume: CachedVolume, size: Sequence[int], margins: Sequence[int]) -> list[tuple[int, int]]:
    """First and last start along each axis."""
    spans = [(0, n) for n in volume.shape]
    if volume.slices is not None:
        spans[-1] = volume.slices
    bounds = []
    for (low, high), length, most in zip(spans, size, margins):
        room = max(high - low - length, 0)
        margin = min(most, (high - low) // 5, room // 2)
        bounds.append((low + margin, low + room - margin))
    return bounds
