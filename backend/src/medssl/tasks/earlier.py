"""How fine-tunings of earlier versions of job specs go on: as they began, before version 3 with their changes of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medssl.augment import Augmentation

if TYPE_CHECKING:
    from medssl.tasks.earlier_augmentation import SampleAugmentation

BATCHED = 3  # the first version of job specs whose fine-tunings change whole batches, and whose Dice leaves out the background
PLANNED = 3  # the first whose segmentations are planned from their data
SURE = (
    6  # the first whose classifications are not measured against uncertain labels, which others take as they are taught
)
ALIKE = 4  # the first whose networks are trained on what they are asked about: see "What training shows" in docs/decisions.md


def augmentation(
    level: str, axes: int, mirror: bool, spacing: tuple[float, ...], version: int, channels: int = 1
) -> Augmentation | SampleAugmentation:
    """What changes the images of a job of this version of specs; see `Augmentation` for the rest."""
    if version < BATCHED:
        from medssl.tasks.earlier_augmentation import SampleAugmentation

        return SampleAugmentation(level, axes, mirror)
    return Augmentation(level, axes, mirror, spacing, channels)
