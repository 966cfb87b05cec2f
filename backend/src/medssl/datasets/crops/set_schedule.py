"""Schedule of datasets: which one each training step is of, as a function of the step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from medssl.core.errors import CatalogError

ORDERS = ("cyclic", "balanced", "interleaved")


@dataclass(frozen=True)
class ScheduledStep:
    """What a step trains on: the set's number, how many steps were spent on it before, and whether a pass over it ends here."""

    set: int
    turn: int
    ends: bool


class SetSchedule:
    """The sets in turn: cyclic, each whole before the next (Ark); balanced, a step of each, small sets more often seen; or interleaved,
    each whole in an epoch as in the cyclic order, its steps spread evenly among those of the others.

    A pass over a set is as many steps as its images fill, rounded up; its images go round and round, whatever the passes.

    Args:
        counts: training images of each set.
        per_step: images of a step, over all micro-batches and processes.
        order: one of ORDERS.

    Raises:
        CatalogError: no set, or one without images.
    """

    def __init__(self, counts: Sequence[int], per_step: int, order: str = "cyclic") -> None:
        if not counts or min(counts) < 1:
            raise CatalogError(
                "training sets",
                "are missing, or one holds no images",
                "Give datasets with training images",
                code="no-images",
            )
        self.order, self.per_step = order, per_step
        self.passes = [-(-count // per_step) for count in counts]  # steps of a pass over each set
        self._ends = list(accumulate(self.passes))
        self.epoch = self._ends[-1]  # steps in which every set is passed (balanced: as many steps as that)
        if order == "balanced":
            self.epoch = -(-self.epoch // len(counts)) * len(counts)
        self._mixed = _interleaved(self.passes) if order == "interleaved" else []

    def __getitem__(self, step: int) -> ScheduledStep:
        if self.order == "balanced":
            turn, chosen = divmod(step, len(self.passes))
        elif self._mixed:
            epoch, place = divmod(step, self.epoch)
            chosen, within = self._mixed[place]
            turn = epoch * self.passes[chosen] + within
        else:
            epoch, place = divmod(step, self.epoch)
            chosen = bisect_right(self._ends, place)
            turn = epoch * self.passes[chosen] + place - (self._ends[chosen] - self.passes[chosen])
        return ScheduledStep(chosen, turn, (turn + 1) % self.passes[chosen] == 0)

    def began(self, step: int) -> int:
        """The step with which the pass began that a step belongs to; of orders whose passes overlap, the epoch's."""
        place = step % self.epoch
        if self.order != "cyclic":
            return step - place
        chosen = bisect_right(self._ends, place)
        return step - place + self._ends[chosen] - self.passes[chosen]


def _interleaved(passes: Sequence[int]) -> list[tuple[int, int]]:
    """Set and step within its pass of every step of an epoch, each set's steps in the middles of equal parts of it."""
    places = [((step + 0.5) / count, number, step) for number, count in enumerate(passes) for step in range(count)]
    return [(number, step) for _, number, step in sorted(places)]
