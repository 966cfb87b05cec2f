"""How well a further channel lies on the first: what each case reports, and when it is named as a poor one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medssl.core.errors import VolumeError
from medssl.images.channels.agreement import best_move
from medssl.images.channels.field import uncovered_share
from medssl.images.channels.onto import labels_onto
from medssl.images.volume import Volume

LEAST_COVERED = 0.95  # of the first image's voxels
LEAST_DICE = 0.8  # of the two label maps
FAR, BETTER = 10.0, 1.25  # mm that a channel is off, and the factor by which the images agree better when it is moved


@dataclass(frozen=True)
class Fit:
    """One case's measures.

    Attributes:
        outside: the share of the first image's voxels that the channel does not show; background is put there.
        dice: of the label maps of both images; None where there are not both.
        move: mm by which the channel agrees best with the first image when it is moved.
        gain: the factor by which it then agrees better.
    """

    outside: float = 0.0
    dice: float | None = None
    move: float = 0.0
    gain: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @property
    def reasons(self) -> list[str]:
        """Why the channel lies poorly; [] where nothing says so."""
        said = []
        if 1.0 - self.outside < LEAST_COVERED:
            said.append(f"it covers only {1.0 - self.outside:.0%} of the first image")
        if self.dice is not None and self.dice < LEAST_DICE:
            said.append(f"the label maps of both overlap with a Dice of only {self.dice:.2f}")
        if self.move >= FAR and self.gain >= BETTER:
            said.append(f"moved by about {self.move:.0f} mm it would agree {self.gain:.1f} times as well")
        return said

    def sentence(self, name: str) -> str:
        """What to know of the channel `name` of one case; "" where it lies well and covers all."""
        if self.reasons:
            return f"{name} lies poorly on the first image: {'; '.join(self.reasons)}. Register them anew, or leave the case out"
        if self.outside > 0:
            return f"{self.outside:.1%} of the voxels lie outside the field of {name} and are background there"
        return ""


def measure_fit(
    first: Volume, channel: Volume, name: str, labels: np.ndarray | None = None, channel_labels: Volume | None = None
) -> Fit:
    """How a channel, as it is stored, lies on the first image.

    Args:
        first: the first image.
        channel: on its own grid.
        name: of the channel, for the error.
        labels: label map (i, j, k) of the first image, on its grid.
        channel_labels: label map of the channel, on its own.

    Raises:
        VolumeError: the images have no place in common.
    """
    outside = uncovered_share(first, channel)
    if outside >= 1.0:
        raise VolumeError(
            f"{name} {channel.name}".strip(), f"has no place in common with {first.name or 'the first image'}",
            "Give images of one patient that were registered with each other", code="channels-apart",
        )  # fmt: skip
    dice = None
    if labels is not None and channel_labels is not None:
        one, other = labels > 0, labels_onto(channel_labels, first) > 0
        total = int(one.sum()) + int(other.sum())
        dice = 2 * int(np.logical_and(one, other).sum()) / total if total else 1.0
    return Fit(outside, dice, *best_move(first, channel))
