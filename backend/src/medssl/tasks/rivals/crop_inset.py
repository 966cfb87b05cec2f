"""Images that somebody cropped around the target: then a box inside the crop, which no one had to find, is a rival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medssl.tasks.rivals.label_look import LabelLook, centres, overlaps

FEWEST = 3  # training images
OFF = 0.1  # of a margin, or OFF_VOXELS: so much may one differ from the usual one
OFF_VOXELS = 1.0
ALMOST_ALL = 0.75  # of all sides of all images


@dataclass(frozen=True, eq=False)
class CropInset:
    """The crop without its margin.

    Attributes:
        margins: (axes, 2) mm (pixels of 2D images) at the first and the last side of each axis.
        number: the class that all of it is called.
        rounded: the ellipsoid that touches the box's sides, instead of the box.
    """

    margins: np.ndarray
    number: int
    rounded: bool = False

    @property
    def margin(self) -> float:
        """The middle one of the sides."""
        return float(np.median(self.margins))

    def segment(self, shape: Sequence[int], steps: np.ndarray) -> np.ndarray:
        """Class numbers, uint8, of an image of this shape whose voxels have these sides."""
        first, last = (self.margins / steps[:, None]).T
        low = np.rint(first).clip(0, np.array(shape) - 1)
        high = np.maximum(np.array(shape) - np.rint(last), low + 1).clip(None, shape)
        numbers = np.zeros(tuple(shape), np.uint8)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high))
        numbers[box] = self.number
        if self.rounded:
            off = [((np.arange(a, b) - (a + b - 1) / 2) / max((b - a) / 2, 0.5)) ** 2 for a, b in zip(low, high)]
            numbers[box][sum(np.meshgrid(*off, indexing="ij", sparse=True)) > 1] = 0  # type: ignore[arg-type]
        return numbers


def fit_crop_inset(looks: Sequence[LabelLook]) -> CropInset | None:
    """The inset of training images whose margin around what is labelled is almost constant; None where it is not.

    A margin is almost constant where three in four sides of all images are within a voxel or a tenth of the middle one of
    that side. A crop may end earlier where the scan does.
    """
    labelled = [one for one in looks if one.margins is not None]
    if len(labelled) < FEWEST:
        return None
    margins = np.array([one.margins for one in labelled])  # (N, axes, 2)
    usual = np.median(margins, axis=0)
    allowed = np.maximum(OFF * usual, OFF_VOXELS * np.array([one.steps for one in labelled])[:, :, None])
    if (np.abs(margins - usual) <= allowed).mean() < ALMOST_ALL:
        return None
    sizes = np.sum([one.counts.sum(axis=1) for one in labelled], axis=0)[1:]
    box = CropInset(usual, int(sizes.argmax()) + 1)
    return max((box, CropInset(usual, box.number, rounded=True)), key=lambda rival: _score(rival, labelled))


def _score(rival: CropInset, looks: Sequence[LabelLook]) -> float:
    """Mean Dice of anything labelled, at the places of the grid."""
    found = []
    for one in looks:
        extent = np.array(one.extent)
        numbers = rival.segment(tuple(extent), one.steps)[np.ix_(*map(centres, extent, one.grid.shape))]
        found.append(overlaps((numbers > 0).astype(np.uint8), (one.grid > 0).astype(np.uint8), 1)[0])
    return float(np.nanmean(found))
