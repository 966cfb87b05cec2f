"""The levels of augmentation that tasks offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from medssl.augment.blur import Blur
from medssl.augment.intensity import Brightness, Contrast, Gamma, Noise
from medssl.augment.resolution import LowResolution
from medssl.augment.warp import Warp, WarpParams
from medssl.distort.params import Distortion
from medssl.distort.pipeline import Chain, Sometimes

LEVELS = ("none", "light", "moderate", "strong")


def mirrors(level: str, allowed: bool) -> bool:
    """Does a level show mirrored images, where the kind of images allows them (radiographs do not)?"""
    return allowed and level == "strong"


@dataclass(frozen=True)
class Changes:
    """What is drawn for a batch: of space (None where nothing moves) and of intensity."""

    space: WarpParams | None
    intensity: Any


class Augmentation:
    """`light`: brightness, contrast, gamma, noise; `strong`: the law of nnU-Net's training, with a rare bend; `moderate`: the
    same without mirroring and with half the turns, for short trainings, which have no time to learn mirrored anatomy.

    Args:
        level: none, light, moderate or strong.
        axes: 2 or 3.
        mirror: whether axes may be mirrored; radiographs keep left and right apart, so not there unless asked.
        spacing: of the samples in mm, so that turns keep shapes; (): cubes.
        channels: images among the channels (a slice's neighbours are of one image): all are moved alike, and the intensities of
            each are changed by draws of its own.

    Source: Isensee et al., Nature Methods 18 (2021), and the public code of its training, for numbers.
    """

    def __init__(
        self, level: str, axes: int, mirror: bool = True, spacing: tuple[float, ...] = (), channels: int = 1
    ) -> None:
        self.warp, self.channels = None, channels
        if level in ("moderate", "strong"):
            moderate = level == "moderate"
            turn = 15.0 if moderate else 30.0 if axes == 3 else 180.0 if mirror else 15.0
            axes_mirrored = tuple(range(axes)) if mirrors(level, mirror) else ()
            self.warp = Warp(turn=turn, bend_probability=0.1, mirror=axes_mirrored, spacing=spacing)
        self.intensity = Chain(*_intensity(level))

    def draw(self, images: Tensor, generator: torch.Generator) -> Changes:
        """Draw for images (N, C, *spatial), of which only shape and device are read."""
        space = self.warp.draw(images, generator) if self.warp is not None else None
        return Changes(space, self.intensity.draw(self._apart(images), generator))

    def apply(self, images: Tensor, masks: Tensor | None, changes: Changes) -> tuple[Tensor, Tensor | None]:
        """Change images (N, C, *spatial) in 0…1 and masks (N, 1, *spatial) alike; classes stay what they are."""
        if self.warp is not None and changes.space is not None:
            images = self.warp.apply(images, changes.space)
            masks = None if masks is None else self.warp.apply_labels(masks, changes.space)
        if self.intensity.distortions:
            changed = self.intensity.apply(self._apart(images), changes.intensity).clamp_(0.0, 1.0)
            images = changed.reshape(images.shape)
        return images, masks

    def _apart(self, images: Tensor) -> Tensor:
        """(N, C, *spatial) as (N · channels, C / channels, *spatial): each image a sample of its own."""
        return images if self.channels == 1 else images.reshape(len(images) * self.channels, -1, *images.shape[2:])

    def __call__(
        self, images: Tensor, masks: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Draw and apply."""
        return self.apply(images, masks, self.draw(images, generator))


def _intensity(level: str) -> list[Distortion]:
    if level == "none":
        return []
    if level == "light":
        return [Sometimes(0.5, Brightness((0.8, 1.2))), Sometimes(0.3, Contrast()), Sometimes(0.3, Gamma()),
                Sometimes(0.3, Noise(0.15))]  # fmt: skip
    return [Sometimes(0.1, Noise()), Sometimes(0.2, Blur()), Sometimes(0.15, Brightness()), Sometimes(0.15, Contrast()),
            Sometimes(0.25, LowResolution()), Sometimes(0.1, Gamma(inverted=True)), Sometimes(0.3, Gamma())]  # fmt: skip
