"""How often each axis is halved, and how large its kernels are: a function of size and spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

LEAST_SIDE = 4  # voxels that the deepest features keep along each axis that is halved
MOST_STAGES = 6
COARSE = 2.0  # times the finest spacing: such an axis waits until the others have caught up, and is not convolved along


@dataclass(frozen=True)
class Pooling:
    """The stages of a U-Net: strides and kernel sizes along each axis, from the input down."""

    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]

    @property
    def divisors(self) -> tuple[int, ...]:
        """Of each side of an image."""
        return tuple(prod(sides) for sides in zip(*self.strides))

    def turned(self) -> Pooling:
        """The same with the axes in reverse order."""
        return Pooling(tuple(one[::-1] for one in self.strides), tuple(one[::-1] for one in self.kernels))


def pooling(size: Sequence[int], spacing: Sequence[float], stages: int = MOST_STAGES, exact: bool = False) -> Pooling:
    """The stages of a network that sees boxes of `size` voxels.

    An axis is halved while four voxels are left of it and its spacing is below twice the finest, so that anisotropic images
    are halved in their plane first (Isensee et al., Nature Methods 18, 2021).

    Args:
        size: voxels along each axis.
        spacing: mm.
        stages: at most.
        exact: no side is halved that is odd, so that the size stays as it is; otherwise `divisible` makes it a bit larger.
    """
    sides, steps = [float(side) for side in size], list(spacing)
    strides, kernels = [(1,) * len(sides)], [_kernel(steps)]
    while len(strides) < stages:
        large = [axis for axis, side in enumerate(sides) if side >= 2 * LEAST_SIDE and not (exact and side % 2)]
        if not large:
            break
        finest = min(steps[axis] for axis in large)
        halved = {axis for axis in large if steps[axis] < COARSE * finest}
        sides = [side / 2 if axis in halved else side for axis, side in enumerate(sides)]
        steps = [step * 2 if axis in halved else step for axis, step in enumerate(steps)]
        strides.append(tuple(2 if axis in halved else 1 for axis in range(len(sides))))
        kernels.append(_kernel(steps))
    return Pooling(tuple(strides), tuple(kernels))


def divisible(size: Sequence[int], divisors: Sequence[int]) -> tuple[int, ...]:
    """The next larger sides that the network can halve."""
    return tuple(-(-side // divisor) * divisor for side, divisor in zip(size, divisors))


def _kernel(spacing: Sequence[float]) -> tuple[int, ...]:
    finest = min(spacing)
    return tuple(3 if step < COARSE * finest else 1 for step in spacing)
