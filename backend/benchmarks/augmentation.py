"""Augmentation of sub-volumes with their label maps: batched, against two per-sample ways, in one run on one core.

    python backend/benchmarks/augmentation.py [--side 64] [--batch 4] [--rounds 30] [--json FILE]

`batchgeneratorsv2` (install it beside, it is no dependency) with the transforms and probabilities of nnU-Net's training, the
law that level "strong" follows; and the MONAI transforms that "strong" was before. The spatial part is measured alone too, on
samples that all of them turn, scale and bend.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandScaleIntensityd,
    RandShiftIntensityd,
)  # fmt: skip
from torch import Tensor

from medssl.augment import Augmentation, Warp

Way = Callable[[Tensor, Tensor, int], object]  # images, masks, seed


def batched(level: str = "strong", warp: Warp | None = None) -> Way:
    """Ours; with `warp` the spatial part alone."""
    whole = Augmentation(level, axes=3)

    def run(images: Tensor, masks: Tensor, seed: int) -> object:
        generator = torch.Generator().manual_seed(seed)
        if warp is None:
            return whole(images, masks, generator)
        drawn = warp.draw(images, generator)
        return warp.apply(images, drawn), warp.apply_labels(masks, drawn)

    return run


def monai(spatial: float = 0.7, others: bool = True) -> Way:
    """What level "strong" was: MONAI's dictionary transforms, sample by sample."""
    keys, turn = ("image", "mask"), math.radians(15)
    steps: list = [RandAffined(keys, prob=spatial, rotate_range=[turn] * 3, scale_range=[0.15] * 3,
                               mode=("bilinear", "nearest"), padding_mode="border")]  # fmt: skip
    if others:
        steps += [RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(3)]
        steps += [RandScaleIntensityd("image", prob=0.5, factors=0.2), RandShiftIntensityd("image", prob=0.5, offsets=0.1),
                  RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5)), RandGaussianNoised("image", prob=0.3, std=0.03)]  # fmt: skip
    chain = Compose(steps, map_items=False)

    def run(images: Tensor, masks: Tensor, seed: int) -> object:
        made = []
        for n in range(len(images)):
            chain.set_random_state(seed + n)
            made.append(chain({"image": images[n], "mask": masks[n]}))
        return torch.stack([one["image"].as_tensor() for one in made])

    return run


def generators(side: int, always: bool = False) -> Way | None:
    """batchgeneratorsv2 with nnU-Net's probabilities; `always`: the spatial part alone, on every sample. None: not installed."""
    try:
        from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
        from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
        from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
        from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
        from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
        from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
        from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
        from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
        from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
        from batchgeneratorsv2.transforms.utils.random import RandomTransform
    except ImportError:
        return None
    turn, share = math.radians(30), 1.0 if always else 0.2
    spatial = SpatialTransform(
        (side,) * 3, patch_center_dist_from_border=0, random_crop=False, p_elastic_deform=0, p_rotation=share,
        rotation=(-turn, turn), p_scaling=share, scaling=(0.7, 1.4), p_synchronize_scaling_across_axes=1,
    )  # fmt: skip
    gamma = dict(p_invert_image=0, synchronize_channels=False, p_per_channel=1, p_retain_stats=1)
    quarter = BGContrast((0.75, 1.25))
    others = [
        RandomTransform(GaussianNoiseTransform((0, 0.1), p_per_channel=1, synchronize_channels=True), 0.1),
        RandomTransform(GaussianBlurTransform((0.5, 1.0), synchronize_channels=False, synchronize_axes=False, p_per_channel=0.5), 0.2),
        RandomTransform(MultiplicativeBrightnessTransform(quarter, synchronize_channels=False, p_per_channel=1), 0.15),
        RandomTransform(ContrastTransform(quarter, preserve_range=True, synchronize_channels=False, p_per_channel=1), 0.15),
        RandomTransform(SimulateLowResolutionTransform((0.5, 1), synchronize_channels=False, synchronize_axes=True,
                                                       ignore_axes=None, allowed_channels=None, p_per_channel=0.5), 0.25),
        RandomTransform(GammaTransform(BGContrast((0.7, 1.5)), **{**gamma, "p_invert_image": 1}), 0.1),
        RandomTransform(GammaTransform(BGContrast((0.7, 1.5)), **gamma), 0.3),
        MirrorTransform((0, 1, 2)),
    ]  # fmt: skip
    chain = ComposeTransforms([spatial] if always else [spatial, *others])

    def run(images: Tensor, masks: Tensor, seed: int) -> object:
        np.random.seed(seed)
        torch.manual_seed(seed)
        made = [chain(image=images[n], segmentation=masks[n].to(torch.int16)) for n in range(len(images))]
        return torch.stack([one["image"] for one in made])

    return run


def seconds(ways: dict[str, Way], images: Tensor, masks: Tensor, rounds: int) -> dict[str, float]:
    """Median seconds per batch, the ways in turn so that a busy machine slows all alike."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(images.clone(), masks.clone(), 0)  # compilation, caches
    for number in range(rounds):
        for name, way in ways.items():
            given = images.clone(), masks.clone()
            start = time.perf_counter()
            way(*given, 1000 * number)
            times[name].append(time.perf_counter() - start)
    return {name: float(np.mean(found)) for name, found in times.items()}


def main() -> None:
    """Print samples per second and core, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = (arguments.batch, 1, *[arguments.side] * 3)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    masks = (images * 4).to(torch.uint8)
    whole: dict[str, Way] = {"batched": batched(), "monai": monai()}
    turning: dict[str, Way] = {
        "batched": batched(warp=Warp(turn_probability=1.0, scale_probability=1.0)), "monai": monai(1.0, others=False)
    }  # fmt: skip
    for ways, way in ((whole, generators(arguments.side)), (turning, generators(arguments.side, always=True))):
        if way is not None:
            ways["batchgeneratorsv2"] = way
    found: dict[str, dict[str, float]] = {}
    for title, ways in (("whole", whole), ("space alone", turning)):
        times = seconds(ways, images, masks, arguments.rounds)
        found[title] = {name: arguments.batch / value for name, value in times.items()}
        for name, speed in found[title].items():
            ratio = found[title]["batched"] / speed
            print(f"{title:12} {name:18} {speed:8.1f} samples/s/core   batched is {ratio:.2f} times as fast")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
