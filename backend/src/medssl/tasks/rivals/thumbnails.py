"""An image as a few means of its grey values: what can be seen without seeing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from medssl.core.errors import InputError
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window

CELLS = {2: (12, 12), 3: (6, 6, 6)}  # of a thumbnail, by the image's axes
AT_ONCE = 2**23  # voxels in memory
Box = tuple[tuple[int, ...], tuple[int, ...]]  # start and size


def rule_of(config: NormalisationConfig, modality: str) -> NormalisationConfig:
    """The normalisation that rivals see images by: that of the task; percentiles where no rule fits the modality."""
    try:
        return resolve(config, modality)
    except InputError:
        return NormalisationConfig(kind="mr-percentile")


def thumbnail(image: CachedVolume, rule: NormalisationConfig, box: Box | None = None) -> np.ndarray:
    """The mean grey value, 0…1, of each cell of a box of the image, (144,) of a radiograph and (216,) of a volume.

    Args:
        image: read slab by slab.
        rule: resolved.
        box: start and size in voxels; None: the whole volume, or the radiograph inside its uniform borders.
    """
    start, size = box or whole_box(image)
    weights = [mean_weights(n, cells) for n, cells in zip(size, CELLS[len(size)])]
    means = np.zeros(CELLS[len(size)], np.float32)
    for place, slab in slabs(image, rule, start, size):
        part = np.tensordot(weights[0], slab, (1, 0))
        part = np.tensordot(part, weights[1], (1, 1))
        if len(size) == 2:
            return part.ravel()
        part = np.tensordot(part, weights[2][:, place : place + slab.shape[2]], (1, 1))  # (6, 6, 6)
        means += part
    return means.ravel()


def slabs(
    image: CachedVolume, rule: NormalisationConfig, start: Sequence[int], size: Sequence[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Place along the last axis and grey values 0…1, float32, of each slab of a box; of a 2D image all at once."""
    low, high = window(rule, image.statistics, image.name)
    for place, depth in slab_places(size):
        corner = tuple(start) if len(size) == 2 else (*start[:2], start[2] + place)
        raw = image.crop(corner, tuple(size) if len(size) == 2 else (*size[:2], depth))
        yield place, ((raw.astype(np.float32) - low) / (high - low)).clip(0, 1)


def slab_places(size: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where along the last axis slabs of at most `AT_ONCE` voxels begin, and how deep they are; a 2D image is one."""
    if len(size) == 2:
        yield 0, size[1]
        return
    depth = max(AT_ONCE // (size[0] * size[1]), 1)
    for place in range(0, size[2], depth):
        yield place, min(depth, size[2] - place)


def mean_weights(length: int, cells: int) -> np.ndarray:
    """(cells, length): how much of each cell, of equal length, each voxel fills; rows sum to 1."""
    edges = np.linspace(0, length, cells + 1)
    voxels = np.arange(length)
    overlap = np.minimum(edges[1:, None], voxels + 1) - np.maximum(edges[:-1, None], voxels)
    return (overlap.clip(0) * cells / length).astype(np.float32)


def whole_box(image: CachedVolume) -> Box:
    """All of a volume; of a radiograph what lies inside its uniform borders."""
    x, y, width, height = image.box
    if len(image.shape) == 2 and width and height:
        return (x, y), (width, height)
    return (0,) * len(image.shape), tuple(image.shape)


def box_around(image: CachedVolume, place: Sequence[float], size_mm: Sequence[float]) -> Box:
    """The box of so many millimetres around a place (mm, LPS) in a volume."""
    size = [max(round(mm / step), 1) for mm, step in zip(size_mm, image.spacing)]
    start = [round(float(centre) - n / 2) for centre, n in zip(image.index_of(place), size)]
    return tuple(start), tuple(size)
