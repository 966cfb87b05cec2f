"""What trivial rivals learn from one image and its label map, read once, slab by slab."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import SegmentClasses
from medssl.tasks.rivals.thumbnails import slabs

BINS = 128  # of the grey values 0…1


@dataclass(frozen=True)
class LabelLook:
    """A label map in small.

    Attributes:
        grid: class numbers at the middles of the cells of a grid over the whole image.
        counts: (C + 1, BINS) voxels of each class (0: background) with each grey value.
        margins: (axes, 2) from the labelled box to the image's borders, mm (pixels of a 2D image); None: nothing is labelled.
        steps: (axes,) mm of a voxel (1 of a 2D image).
        extent: the image's shape.
    """

    grid: np.ndarray
    counts: np.ndarray
    margins: np.ndarray | None
    steps: np.ndarray
    extent: tuple[int, ...]


def look(
    image: CachedVolume, mask: CachedVolume, classes: SegmentClasses, cells: tuple[int, ...], rule: NormalisationConfig
) -> LabelLook:
    """Look at an image and its label map, of the same shape.

    Raises:
        VolumeError: a constant image, or a value that is no class.
    """
    shape, axes = mask.shape, len(mask.shape)
    counts = np.zeros((classes.count + 1, BINS), np.int64)
    seen = [np.zeros(n, bool) for n in shape]  # along each axis, where something is labelled
    grid, places = np.zeros(cells, np.uint8), [centres(n, count) for n, count in zip(shape, cells)]
    for place, greys in slabs(image, rule, (0,) * axes, shape):
        corner = (0,) * axes if axes == 2 else (0, 0, place)
        numbers = classes.index(mask.crop(corner, greys.shape), mask.name)
        cell = numbers.astype(np.int64) * BINS + grey_bins(greys)
        counts += np.bincount(cell.ravel(), minlength=counts.size).reshape(counts.shape)
        labelled = numbers > 0
        for axis in range(axes):
            along = np.asarray(labelled.any(axis=tuple(other for other in range(axes) if other != axis)))
            first = place if axis == 2 else 0
            seen[axis][first : first + len(along)] |= along
        if axes == 2:
            grid = numbers[np.ix_(*places)]
        else:
            here = (places[2] >= place) & (places[2] < place + greys.shape[2])
            grid[:, :, here] = numbers[np.ix_(places[0], places[1], places[2][here] - place)]
    steps = np.array(image.spacing[:axes]) if axes == 3 else np.ones(2)
    return LabelLook(grid, counts, _margins(seen, steps), steps, tuple(shape))


def grey_bins(greys: np.ndarray) -> np.ndarray:
    """The bin of each grey value 0…1."""
    return np.minimum((greys * BINS).astype(np.int64), BINS - 1)


def centres(length: int, cells: int) -> np.ndarray:
    """(cells,) the voxel in the middle of each cell."""
    return ((np.arange(cells) + 0.5) * length / cells).astype(int)


def overlaps(predicted: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """(count,): the Dice of each class 1…count; nan of a class that neither map shows."""
    sizes = np.bincount(predicted.ravel(), minlength=count + 1) + np.bincount(truth.ravel(), minlength=count + 1)
    both = np.bincount(truth[predicted == truth].ravel(), minlength=count + 1)
    with np.errstate(invalid="ignore"):
        return (2 * both / sizes)[1 : count + 1]


def _margins(seen: list[np.ndarray], steps: np.ndarray) -> np.ndarray | None:
    if not seen[0].any():
        return None
    places = [np.flatnonzero(along) for along in seen]
    ends = np.array([[found[0], len(along) - 1 - found[-1]] for found, along in zip(places, seen)], float)
    return ends * steps[:, None]
