"""Windows of a volume, each distorted and restored by itself, as in training: one distortion is all a network ever saw at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import ConfigError
from medssl.distort import BezierIntensity, Chain, Distortion, InPainting, LocalShuffle, OutPainting, describe
from medssl.inference.volumes.windows import nearest_parts, read_box, window_starts
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.genesis.method import training_distortion

SINGLE = {"shuffle": LocalShuffle, "bezier": BezierIntensity, "inpaint": InPainting, "outpaint": OutPainting}
NAMES = ("random", "none", *SINGLE)
DRAWN = 16  # windows whose distortions are drawn together: a fixed number, so that the seed alone decides


def make_distortion(name: str, strength: float) -> Distortion:
    """A distortion by name: one alone for every window, nothing, or "random" as drawn in training (published settings).

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


def restore_windows(
    image: np.ndarray,
    network: Callable[[Tensor], Tensor],
    distortion: Distortion,
    size: Sequence[int],
    overlap: float = 0.25,
    seed: int = 0,
    batch: int = 1,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """Distort and restore `image` window by window; each voxel is shown from the window whose middle is nearest.

    So what is shown as distorted is what the network was given where it answered, and nothing else. Blended answers would
    show voxels that one window had to guess and its neighbour had before its eyes.

    Args:
        image: (*spatial), float32 0…1. Where it is smaller than a window it is padded with 0.
        network: (N, 1, *size) to the same shape, on `device`.
        overlap: share of a window that its neighbour sees too, 0 ≤ overlap < 1; more means fewer voxels at a window's rim.
        seed: of the distortions, which are computed on the CPU: the same on every machine.
        batch: windows at a time.
        progress: called with (windows done, windows) after each batch; may raise to stop.

    Returns:
        The distorted and the restored image, (*spatial) float32, and for each window its `start` (voxels) and the names of its `distortions`.
    """
    generator = torch.Generator().manual_seed(seed)
    places = [window_starts(n, side, overlap) for n, side in zip(image.shape, size)]
    starts = list(itertools.product(*places))
    parts = list(itertools.product(*(nearest_parts(one, side, n) for one, side, n in zip(places, size, image.shape))))
    distorted, restored = np.empty(image.shape, np.float32), np.empty(image.shape, np.float32)
    drawn: list[dict[str, Any]] = []
    for first in range(0, len(starts), DRAWN):
        group = starts[first : first + DRAWN]
        windows = torch.from_numpy(np.stack([read_box(image, start, size) for start in group]))[:, None]
        params = distortion.draw(windows, generator)
        given = distortion.apply(windows, params)
        names = describe(distortion, params, len(group))
        drawn += [{"start": list(start), "distortions": one} for start, one in zip(group, names)]
        for n in range(0, len(group), batch):
            some = slice(n, n + batch)
            with torch.inference_mode():
                answers = network(given[some].to(device)).float().cpu()
            for start, part, before, after in zip(group[some], parts[first + n :], given[some], answers):
                inside = tuple(slice(side.start - at, side.stop - at) for side, at in zip(part, start))
                distorted[part], restored[part] = before[0][inside].numpy(), after[0][inside].numpy()
            if progress is not None:
                progress(first + min(n + batch, len(group)), len(starts))
    return distorted, restored, drawn
