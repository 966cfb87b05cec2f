"""Training samples of several datasets as a function of their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.core.errors import CatalogError, VolumeError
from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.crops.loader import SampleOrder
from medssl.datasets.crops.set_schedule import SetSchedule
from medssl.datasets.spec.set_parts import SetPart

TRIES = 8  # unreadable images in a row that a sample steps over
INSTEAD = 2  # purpose of random draws: which image takes the place of an unreadable one


class MultiSetSamples(Dataset):
    """Endless images of several sets with their targets. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    All samples of a step belong to one set, as `schedule` says; within a set images come in cycles, each in an order of its own.
    An image that cannot be read is stepped over: one drawn from the set takes its place, and the sample says so.

    A sample is a dict: raw (1, side, side) uint8; target (C,) float32; set, its number; index; volume, the image's number in
    its set; skipped (TRIES,) int64, numbers of images that could not be read, -1 where there are none.
    """

    def __init__(self, sets: Sequence[SetPart], schedule: SetSchedule, prepared: PreparedImages, seed: int) -> None:
        self.sets, self.schedule, self.prepared, self.seed = tuple(sets), schedule, prepared, seed
        self._orders = [SampleOrder(seed + number, len(part.images)) for number, part in enumerate(self.sets)]

    def __getitem__(self, n: int) -> dict[str, Any]:
        step, place = divmod(n, self.schedule.per_step)
        scheduled = self.schedule[step]
        part, order = self.sets[scheduled.set], self._orders[scheduled.set]
        first = order[scheduled.turn * self.schedule.per_step + place]
        square, chosen, skipped = self._readable(part, first, n)
        return {
            "raw": torch.from_numpy(square)[None],
            "target": torch.from_numpy(part.targets[chosen]),
            "set": scheduled.set,
            "index": n,
            "volume": chosen,
            "skipped": torch.tensor(skipped + [-1] * (TRIES - len(skipped))),
        }

    def _readable(self, part: SetPart, first: int, n: int) -> tuple[np.ndarray, int, list[int]]:
        """The image, or a drawn one that can be read; its number; and the numbers of those that cannot."""
        skipped: list[int] = []
        drawn = np.random.default_rng([self.seed, INSTEAD, n])  # not its neighbours: a missing folder takes them all
        chosen = first
        while True:
            try:
                return self.prepared.get(part.images[chosen], part.inverted), chosen, skipped
            except VolumeError as error:
                skipped.append(chosen)
                if len(skipped) == min(TRIES, len(part.images)):
                    raise CatalogError(
                        f"set {part.name}: {len(skipped)} images drawn one after the other",
                        f"cannot be read; the last: {error.value} {error.rule}",
                        "Check it: medssl data check",
                        code="images-unreadable",
                    ) from error
            while chosen in skipped:
                chosen = int(drawn.integers(len(part.images)))
