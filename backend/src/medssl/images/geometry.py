"""Which way the axes of a volume run: brought to one order, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medssl.core.geometry import CANONICAL, LETTERS, axis_order, check_orientation, orientation_of
from medssl.images.volume import Volume

READ_ACROSS = ("PIL", "LIP", "LPS")  # orientations of sagittal, coronal and axial slices as readers look at them
COARSE = 1.5  # times the middle spacing: slices were taken across this axis


@dataclass(frozen=True)
class Turn:
    """A permutation of three axes, then flips; exact, and its own way back.

    Attributes:
        order: the axis of the source that becomes each axis of the result.
        flipped: whether each axis of the result runs against the source's.
    """

    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """The last three axes turned; a view."""
        lead = array.ndim - 3
        turned = array.transpose([*range(lead), *(lead + n for n in self.order)])
        return np.flip(turned, tuple(lead + n for n in range(3) if self.flipped[n]))

    def back(self, array: np.ndarray) -> np.ndarray:
        """The last three axes as they were before `apply`; a view."""
        lead = array.ndim - 3
        turned = np.flip(array, tuple(lead + n for n in range(3) if self.flipped[n]))
        return turned.transpose([*range(lead), *(lead + self.order.index(n) for n in range(3))])

    def box(self, roi: Sequence[Sequence[int]], shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """A half-open box of the source (of this shape) as one of the result."""
        ends = [(roi[n], shape[n]) for n in self.order]
        return tuple((n - b, n - a) if flip else (a, b) for ((a, b), n), flip in zip(ends, self.flipped))


def turn_to(direction: np.ndarray, orientation: str = CANONICAL) -> Turn:
    """What brings axes of this direction to an orientation, as nearly as permutation and flips can.

    Args:
        direction: (3, 3), its columns the unit vectors of i, j, k in LPS.
        orientation: where the result's axes run to, such as LPS.

    Raises:
        ConfigError: no orientation.
    """
    check_orientation(orientation)
    nearest = axis_order(direction.tolist())
    worlds = [next(n for n, pair in enumerate(LETTERS) if letter in pair) for letter in orientation]
    order = [nearest[world] for world in worlds]
    forward = [bool(direction[world, axis] >= 0) for world, axis in zip(worlds, order)]
    wanted = [letter == LETTERS[world][0] for letter, world in zip(orientation, worlds)]
    flips = [has != wants for has, wants in zip(forward, wanted)]
    return Turn((order[0], order[1], order[2]), (flips[0], flips[1], flips[2]))


def turned(volume: Volume, turn: Turn) -> Volume:
    """The same volume with its axes turned, where it was in the world; a view."""
    order, origin = list(turn.order), volume.origin
    spacing, direction = volume.spacing[order], volume.direction[:, order].copy()
    for axis in range(3):
        if turn.flipped[axis]:
            origin = origin + direction[:, axis] * spacing[axis] * (volume.shape[order[axis]] - 1)
            direction[:, axis] *= -1
    further = tuple(turned(one, turn) for one in volume.further)
    array = turn.apply(volume.array)
    return replace(volume, array=array, spacing=spacing, origin=origin, direction=direction, further=further)


def reorient(volume: Volume, orientation: str = CANONICAL) -> Volume:
    """The same 3D volume with its axes permuted and flipped so that i, j, k run nearest to an orientation; a view.

    Oblique angles stay: nothing is interpolated.

    Raises:
        ConfigError: no orientation.
    """
    return turned(volume, turn_to(volume.direction, orientation))


def turn_to_read(volume: Volume) -> Turn:
    """What makes the slices along the last axis those that readers look at: of the plane a 3D volume was taken in, else axial.

    Columns run to the patient's left (of sagittal slices: to the back), rows to the back (of coronal and sagittal ones: to the feet).
    """
    by_axis = volume.spacing[list(axis_order(volume.direction.tolist()))]  # along left-right, back-front, feet-head
    across = int(by_axis.argmax())
    return turn_to(volume.direction, READ_ACROSS[across if by_axis[across] >= COARSE * np.median(by_axis) else 2])


def orientation_of_volume(volume: Volume) -> str:
    """Where i, j, k run to, nearest: three letters such as LPS or RAS."""
    return orientation_of(volume.direction.tolist())
