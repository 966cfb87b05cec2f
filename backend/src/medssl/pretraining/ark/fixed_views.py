"""The same few views of each image in every epoch and every run, so that a frozen backbone sees each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from medssl.core import seeds
from medssl.distort.framing import Framing, FramingParams, whole

PURPOSE = "fixed view of"


@dataclass(frozen=True)
class FixedViews:
    """View 0 is the whole image as it is; each other one is drawn by its number and the image's path alone.

    Args:
        framing: what crops, turns and tints the others.
        count: of views of an image.
    """

    framing: Framing
    count: int

    def chosen(self, samples: Sequence[int], seed: int) -> list[int]:
        """Which view each sample has, by its number."""
        return [seeds.derive(seed, PURPOSE, n) % self.count for n in samples]

    def make(self, squares: Tensor, images: Sequence[str], numbers: Sequence[int], tinted: bool = True) -> Tensor:
        """Views (N, 1, side, side) in 0…1 of kept images (N, 1, K, K) in 0…1.

        Args:
            squares: on any device.
            images: their paths.
            numbers: which view of each.
            tinted: with changes of intensities, as the student sees it; else as the teacher does.
        """
        views = whole(squares, self.framing.side)
        moved = [place for place, number in enumerate(numbers) if number]
        if moved:
            drawn = _stacked([self._drawn(images[place], numbers[place]) for place in moved], squares.device)
            crops = self.framing.frame(squares[moved], drawn)
            views[moved] = self.framing.tint(crops, drawn) if tinted else crops
        return views

    def _drawn(self, image: str, number: int) -> FramingParams:
        return self.framing.draw(torch.empty(1, 1, 1, 1), seeds.generator(number, f"{PURPOSE} {image}"))


def _stacked(each: Sequence[FramingParams], device: torch.device) -> FramingParams:
    """One batch of batches of one, on a device."""
    columns = (torch.cat([getattr(one, field.name) for one in each]).to(device) for field in fields(FramingParams))
    return FramingParams(*columns)
