"""What batchgeneratorsv2 does to an image, in numbers: the law that level "strong" is held against.

    python backend/checks/augmentation_law.py [--samples 2000] [--output backend/tests/reference/augmentation_law.json]

Needs `pip install batchgeneratorsv2` (version in the file), which is no dependency: the tests compare with the file. Each transform
is applied alone to every sample; of each result one number is taken, and of these the deciles.
"""

from __future__ import annotations

import argparse
import json
import math
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SIDE = 20
OUTPUT = Path(__file__).resolve().parents[1] / "tests" / "reference" / "augmentation_law.json"


def picture() -> Tensor:
    """A smooth image with noise (1, SIDE, SIDE, SIDE) in 0…1, that every transform changes visibly."""
    axis = torch.linspace(0, 1, SIDE)
    i, j, k = torch.meshgrid(axis, axis, axis, indexing="ij")
    waves = torch.sin(7 * i + 3 * j) * torch.cos(9 * k - 2 * i) / 2 + 0.5
    noise = torch.rand((SIDE,) * 3, generator=torch.Generator().manual_seed(0))
    return (0.6 * waves**2 + 0.3 * noise + 0.05)[None]


def ramps() -> Tensor:
    """The coordinates themselves (3, SIDE, SIDE, SIDE), in voxels: warped, they tell where voxels come from."""
    axis = torch.arange(SIDE, dtype=torch.float32)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))


def measures(name: str, before: Tensor, after: Tensor) -> float:
    """One number that tells how strongly a transform acted: (C, SIDE, SIDE, SIDE) before and after."""
    if name in ("noise", "low resolution"):
        return float((after - before).std() / before.std())
    if name == "blur":  # away from the border, where each repeats the image in its own way
        before, after = (image[:, 5:-5, 5:-5, 5:-5] for image in (before, after))
        return float(after.diff(dim=1).std() / before.diff(dim=1).std())
    if name == "brightness":
        return float(after.mean() / before.mean())
    if name == "contrast":
        return float(after.std() / before.std())
    if name.startswith("gamma"):
        return float((after - after.mean()).pow(3).mean() / after.std() ** 3)  # skewness: mean and deviation are kept
    middle = SIDE // 2
    steps = torch.stack([after[:, middle + 1, middle, middle], after[:, middle, middle + 1, middle],
                         after[:, middle, middle, middle + 1]], dim=1) - after[:, middle, middle, middle, None]  # fmt: skip
    scale = float(torch.linalg.det(steps.double())) ** (1 / 3)
    if name == "scale":
        return scale
    cosine = (float(steps.trace()) / scale - 1) / 2
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def deciles(values: list[float]) -> list[float]:
    """The 0th, 10th … 100th percentile."""
    return [round(float(v), 4) for v in np.percentile(values, range(0, 101, 10))]


def _library() -> dict:
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
    from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform

    def spatial(turned: float, scaled: float):
        turn = math.radians(30)
        return SpatialTransform(
            (SIDE,) * 3, patch_center_dist_from_border=0, random_crop=False, p_elastic_deform=0, p_rotation=turned,
            rotation=(-turn, turn), p_scaling=scaled, scaling=(0.7, 1.4), p_synchronize_scaling_across_axes=1,
        )  # fmt: skip

    quarter, power = BGContrast((0.75, 1.25)), BGContrast((0.7, 1.5))
    gamma = dict(synchronize_channels=False, p_per_channel=1, p_retain_stats=1)
    return {
        "noise": GaussianNoiseTransform((0, 0.1), p_per_channel=1, synchronize_channels=True),
        "blur": GaussianBlurTransform((0.5, 1.0), synchronize_channels=False, synchronize_axes=True, p_per_channel=1),
        "brightness": MultiplicativeBrightnessTransform(quarter, synchronize_channels=False, p_per_channel=1),
        "contrast": ContrastTransform(quarter, preserve_range=True, synchronize_channels=False, p_per_channel=1),
        "low resolution": SimulateLowResolutionTransform((0.5, 1), synchronize_channels=False, synchronize_axes=True,
                                                         ignore_axes=None, allowed_channels=None, p_per_channel=1),
        "gamma": GammaTransform(power, p_invert_image=0, **gamma),
        "gamma, inverted": GammaTransform(power, p_invert_image=1, **gamma),
        "turn": spatial(1, 0),
        "scale": spatial(0, 1),
    }  # fmt: skip


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    np.random.seed(0)
    torch.manual_seed(0)
    found = {}
    for name, transform in _library().items():
        values = []
        for _ in range(arguments.samples):
            before = ramps() if name in ("turn", "scale") else picture()
            if name == "noise":  # there images have a variance of 1
                before = before / before.std()
            given = before.clone()
            values.append(measures(name, before, transform(image=given)["image"]))
        found[name] = deciles(values)
        print(name, found[name], flush=True)
    about = f"batchgeneratorsv2 {version('batchgeneratorsv2')}, {arguments.samples} samples, deciles"
    arguments.output.write_text(
        json.dumps({"made by": "backend/checks/augmentation_law.py", "from": about, **found}, indent=1)
    )


if __name__ == "__main__":
    main()
