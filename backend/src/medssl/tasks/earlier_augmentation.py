"""How images of fine-tunings of earlier versions of job specs are changed: by MONAI's transforms, sample by sample.

Nothing new is trained so, see `medssl.augment`. A file of its own: MONAI takes seconds to import.
"""

from __future__ import annotations

import math

import torch
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch import Tensor

from medssl.augment import mirrors

TURN, ZOOM = math.radians(15), 0.15  # strong: largest rotation and scaling


class SampleAugmentation:
    """`light`: brightness, contrast, noise; `strong`: rotation, scaling and mirroring too.

    Args:
        level: none, light or strong.
        axes: 2 or 3.
        mirror: which axes may be mirrored; radiographs keep left and right apart, so none there.
    """

    def __init__(self, level: str, axes: int, mirror: bool = True) -> None:
        keys = ("image", "mask")
        steps: list = []
        if level == "strong":
            steps.append(
                RandAffined(
                    keys, prob=0.7, rotate_range=[TURN] * (1 if axes == 2 else 3), scale_range=[ZOOM] * axes,
                    mode=("bilinear", "nearest"), padding_mode="border", allow_missing_keys=True,
                )
            )  # fmt: skip
            if mirrors(level, mirror):
                steps += [RandFlipd(keys, prob=0.5, spatial_axis=axis, allow_missing_keys=True) for axis in range(axes)]
        if level != "none":
            steps += [
                RandScaleIntensityd("image", prob=0.5, factors=0.2),
                RandShiftIntensityd("image", prob=0.5, offsets=0.1),
                RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5)),
                RandGaussianNoised("image", prob=0.3, std=0.03),
            ]
        self._steps = Compose(steps, map_items=False) if steps else None

    def __call__(
        self, images: Tensor, masks: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Change images (N, C, *spatial) in 0…1 and masks (N, 1, *spatial) alike, each sample on its own."""
        if self._steps is None:
            return images, masks
        seeds = torch.randint(2**31, (len(images),), generator=generator, device=generator.device).tolist()
        changed = [
            _changed(self._steps, images[n], None if masks is None else masks[n], s) for n, s in enumerate(seeds)
        ]
        stacked = torch.stack([image for image, _ in changed]).clamp_(0.0, 1.0)
        return stacked, None if masks is None else torch.stack([mask for _, mask in changed])


def _changed(steps: Compose, image: Tensor, mask: Tensor | None, seed: int) -> tuple[Tensor, Tensor]:
    steps.set_random_state(seed)
    sample = {"image": image} if mask is None else {"image": image, "mask": mask}
    made = {name: _plain(value) for name, value in steps(sample).items()}
    return made["image"], made.get("mask", made["image"])


def _plain(value: Tensor) -> Tensor:
    return value.as_tensor() if hasattr(value, "as_tensor") else value  # MONAI's tensors carry metadata along
