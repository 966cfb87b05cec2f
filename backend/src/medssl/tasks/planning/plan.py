"""How a segmentation is trained, planned from what its training set is and what the device can take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import lcm, prod
from typing import Any

from medssl.core.errors import ResourceError
from medssl.tasks.planning.budget import Budget
from medssl.tasks.planning.cost import Cost
from medssl.tasks.planning.fingerprint import Fingerprint
from medssl.tasks.planning.pooling import COARSE, Pooling, divisible, pooling

LARGEST = {2: 2048, 3: 256}  # voxels along an axis of a cube that the search begins with
LEAST_SIDE = 32  # voxels: smaller boxes show too little; smaller images are seen whole
STEP = 8  # sides are multiples of it
LEAST_BATCH, MOST_BATCH = 2, 64
MOST_SEEN = 0.05  # share of the set's voxels that one batch shows at most (Isensee et al. 2021)
WIDTHS = (8, 12, 16, 24, 32)  # channels of the first layer; the last where only memory counts
# Where time counts a box is chosen for this width: small boxes see too little, narrow networks learn too little.
LEAST_WIDTH = 12

OWN_WIDTH = 1  # stands for the width of a network that has its own


@dataclass(frozen=True)
class Wanted:
    """What is settled before the plan.

    Attributes:
        crop: sides of a box; 0: planned.
        batch: samples; 0: planned.
        width: channels of the first layer; 0: planned; `OWN_WIDTH`: the network has its own.
        pooling: of a network that has its own; None: planned.
        side: of square images that the network takes only; 0: others will do.
    """

    crop: tuple[int, ...] = (0, 0, 0)
    batch: int = 0
    width: int = 0
    pooling: Pooling | None = None
    side: int = 0


@dataclass(frozen=True)
class Planned:
    """The plan.

    Attributes:
        crop: voxels that the network sees at once.
        batch: samples in a step.
        width: channels of the first layer; `OWN_WIDTH`: the network has its own.
        pooling: strides and kernels.
        memory: bytes of a step, an upper estimate; 0 where nothing was left to plan.
        flops: operations of a step, likewise.
        budget: that they keep to, in words.
        notes: what to know of it.
        centred: images smaller than the box lie in its middle when trained on, as when segmented; False: of an earlier version.
    """

    crop: tuple[int, ...]
    batch: int
    width: int
    pooling: Pooling
    memory: int
    flops: float
    budget: str
    notes: tuple[str, ...] = ()
    centred: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Planned:
        """The inverse of `as_dict`, after JSON."""
        stages = {
            name: tuple(tuple(int(n) for n in sides) for sides in rows) for name, rows in values["pooling"].items()
        }
        kept = {
            "centred": False,
            **values,
            "crop": tuple(values["crop"]),
            "notes": tuple(values["notes"]),
            "pooling": Pooling(**stages),
        }
        return Planned(**kept)


CostOf = Callable[[Pooling, int, Sequence[int]], Cost]  # of stages, width and a size


def plan(fingerprint: Fingerprint, wanted: Wanted, budget: Budget, cost_of: CostOf) -> Planned:
    """Choose box, stages, width and batch.

    The box begins with the median image, or with a large one of equal sides in mm, and loses voxels along the axis of which it
    shows most, until a batch of two fits the budget. Then the network grows in width, then the batch.

    Raises:
        ResourceError: not even the smallest box fits into the memory.
    """
    search = _Search(fingerprint, wanted, budget, cost_of)
    crop, stages = search.box()
    if wanted.batch and wanted.width and (wanted.side or all(wanted.crop)):
        return Planned(crop, wanted.batch, wanted.width, stages, 0, 0.0, budget.text, search.notes(stages))
    width = search.width(crop, stages)
    batch = wanted.batch or search.batch(crop, stages, width)
    cost = cost_of(stages, width, crop)
    memory, flops = cost.memory(crop, batch), cost.flops(crop, batch)
    return Planned(crop, batch, width, stages, memory, flops, budget.text, search.notes(stages, flops))


class _Search:
    def __init__(self, fingerprint: Fingerprint, wanted: Wanted, budget: Budget, cost_of: CostOf) -> None:
        self.fingerprint, self.wanted, self.budget, self.cost_of = fingerprint, wanted, budget, cost_of
        self.axes = len(fingerprint.shape)
        self.least = wanted.batch or LEAST_BATCH

    def box(self) -> tuple[tuple[int, ...], Pooling]:
        given = self.wanted.crop[: self.axes]
        if self.wanted.side:
            return self._divided((self.wanted.side,) * self.axes)
        if all(given):  # stays, also where the stages are those of a family of networks that halve less
            return tuple(given), self._divided(given, exact=True)[1]
        size, stages = self._divided(self._first())
        width = self.wanted.width or (WIDTHS[-1] if self.budget.flops is None else LEAST_WIDTH)
        while not self._fits(size, stages, width, self.least):
            smaller = self._smaller(size, stages)
            if smaller is None:
                break
            size, stages = smaller
        return size, stages

    def width(self, crop: Sequence[int], stages: Pooling) -> int:
        if self.wanted.width:
            return self.wanted.width
        fitting = (width for width in reversed(WIDTHS) if self._fits(crop, stages, width, self.least))
        return next(fitting, WIDTHS[0])

    def batch(self, crop: Sequence[int], stages: Pooling, width: int) -> int:
        seen = int(MOST_SEEN * self.fingerprint.voxels / prod(crop))
        most = max(LEAST_BATCH, min(MOST_BATCH, seen))
        batch = LEAST_BATCH if self._fits(crop, stages, width, LEAST_BATCH, time=False) else 1
        while batch < most and self._fits(crop, stages, width, batch + 1):
            batch += 1
        if batch == 1 and not self._fits(crop, stages, width, 1, time=False):
            need = self.cost_of(stages, width, crop).memory(crop, 1)
            raise ResourceError(
                f"boxes of {_sides(crop)} voxels at width {width}",
                f"need {need / 1e9:.1f} GB for a step, and there are {self.budget.text}",
                "Choose a smaller crop or base_width, or a device with more memory",
                code="memory-too-small",
            )  # fmt: skip
        return batch

    def notes(self, stages: Pooling, flops: float = 0.0) -> tuple[str, ...]:
        found, spacing = [], self.fingerprint.spacing
        coarse, fine = max(spacing), min(spacing)
        if (
            self.wanted.pooling is not None
            and self.axes == 3
            and coarse >= COARSE * fine
            and len(set(stages.divisors)) == 1
        ):
            times = stages.divisors[0]
            found.append(
                f"The network halves every axis alike: its deepest features are {times} voxels apart, {times * coarse:.3g} mm along the "
                f"coarse axis of these images and {times * fine:.3g} mm along the others; a resenc would halve the coarse axis later"
            )
        limit = self.budget.flops
        if limit is not None and flops > 2 * limit:
            found.append(
                f"A step takes {flops / 1e9:.0f} billion operations, {flops / limit:.0f} times as many as is comfortable here: "
                "expect slow steps, or choose a smaller crop or batch"
            )
        return tuple(found)

    def _first(self) -> tuple[float, ...]:
        spacing = self.fingerprint.spacing[: self.axes]
        mean = prod(spacing) ** (1 / self.axes)
        edge = LARGEST[self.axes]
        return tuple(min(side, edge * mean / step) for side, step in zip(self.fingerprint.shape, spacing))

    def _divided(self, size: Sequence[float], exact: bool = False) -> tuple[tuple[int, ...], Pooling]:
        """A box that stages divide, and the stages."""
        whole = tuple(max(2 * STEP, round(side)) for side in size)
        stages = self.wanted.pooling or pooling(whole, self.fingerprint.spacing[: self.axes], exact=exact)
        return divisible(whole, [lcm(STEP, divisor) for divisor in stages.divisors]), stages

    def _smaller(self, size: Sequence[int], stages: Pooling) -> tuple[tuple[int, ...], Pooling] | None:
        shares = [side / shape for side, shape in zip(size, self.fingerprint.shape)]
        for axis in sorted(range(self.axes), key=lambda one: -shares[one]):
            reduced = size[axis] - lcm(STEP, stages.divisors[axis])
            if reduced >= LEAST_SIDE:
                return self._divided(tuple(reduced if n == axis else side for n, side in enumerate(size)))
        return None

    def _fits(self, size: Sequence[int], stages: Pooling, width: int, batch: int, time: bool = True) -> bool:
        cost, limit = self.cost_of(stages, width, size), self.budget.flops
        quick = not time or limit is None or cost.flops(size, batch) <= limit
        return quick and cost.memory(size, batch) <= self.budget.memory


def _sides(size: Sequence[int]) -> str:
    return " × ".join(map(str, size))
