"""Distort a whole volume the way training distorts sub-volumes: tile by tile."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from medssl.core.errors import ConfigError
from medssl.distort import BezierIntensity, Chain, Distortion, InPainting, LocalShuffle, OutPainting, describe
from medssl.inference.volumes.windows import read_box
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.genesis.method import training_distortion

SINGLE = {"shuffle": LocalShuffle, "bezier": BezierIntensity, "inpaint": InPainting, "outpaint": OutPainting}
NAMES = ("random", "none", *SINGLE)
BATCH = 16


def make_distortion(name: str, strength: float) -> Distortion:
    """A distortion by name: one alone for every tile, nothing, or "random" as drawn in training (published settings).

    Raises:
        ConfigError: an unknown name, or a strength outside 0…1.
    """
    if not 0 <= strength <= 1:
        raise ConfigError(
            f"strength = {strength}",
            "must be between 0 and 1",
            "1 is the published extent",
            code="setting-out-of-range",
        )
    if name in SINGLE:
        return SINGLE[name](strength=strength)
    if name == "none":
        return Chain()
    if name != "random":
        raise ConfigError(
            f"distortion {name!r}", "is unknown", f"Use one of {', '.join(NAMES)}", code="setting-not-a-choice"
        )
    return training_distortion(GenesisConfig(), strength)


def distort_tiles(
    image: np.ndarray,
    distortion: Distortion,
    size: Sequence[int],
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Distort neighbouring tiles of `size`, each with parameters of its own; the last ones may be cut off.

    Args:
        image: (*spatial), float32 0…1.
        seed: the same seed gives the same result on every machine: it is computed on the CPU.
        progress: called with (tiles done, tiles) after each batch; may raise to stop.

    Returns:
        The distorted image, and for each tile its `start` (voxels) and the names of its `distortions`.
    """
    generator = torch.Generator().manual_seed(seed)
    starts = list(itertools.product(*(range(0, n, side) for n, side in zip(image.shape, size))))
    out, drawn = np.empty(image.shape, np.float32), []
    for first in range(0, len(starts), BATCH):
        group = starts[first : first + BATCH]
        batch = torch.from_numpy(np.stack([read_box(image, start, size) for start in group]))[:, None]
        params = distortion.draw(batch, generator)
        tiles = distortion.apply(batch, params)[:, 0].numpy()
        for start, tile, names in zip(group, tiles, describe(distortion, params, len(group))):
            inside = tuple(slice(a, min(a + side, n)) for a, side, n in zip(start, size, image.shape))
            out[inside] = tile[tuple(slice(0, s.stop - s.start) for s in inside)]
            drawn.append({"start": list(start), "distortions": names})
        if progress is not None:
            progress(min(first + BATCH, len(starts)), len(starts))
    return out, drawn
