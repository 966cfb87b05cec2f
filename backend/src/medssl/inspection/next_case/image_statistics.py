"""What images look like without any model: size, intensities, and where it is bright."""

from __future__ import annotations

import numpy as np

from medssl.images.geometry import reorient
from medssl.images.planes import as_plane, is_flat
from medssl.images.resizing import resized_to
from medssl.images.volume import Volume

PERCENTILES = (1, 10, 25, 50, 75, 90, 99)
BLOCKS = 4  # along each axis


def image_statistics(volume: Volume, view: str = "", inverted: bool = False) -> np.ndarray:
    """Numbers (D,) float32 of an image, in groups that count alike: extent and voxel size, intensities, a coarse picture.

    D = 6 + 7 + 64 of a volume, 4 + 7 + 16 of a 2D image. Intensities are as stored; the coarse picture of 4 blocks an axis is
    scaled by the image's own range, so that it shows the anatomy whatever the scanner's scale.

    Raises:
        VolumeError: a view that the image does not have.
    """
    flat = bool(view) or is_flat(volume.shape)
    image = as_plane(volume, view, inverted) if flat else reorient(volume)
    array = image.array.astype(np.float32, copy=False)
    spacing = np.abs(np.asarray(image.spacing[: array.ndim], np.float64))
    levels = np.percentile(array, PERCENTILES)
    blocks = resized_to(array, (BLOCKS,) * array.ndim)
    low, high = float(levels[0]), float(levels[-1])
    picture = ((blocks - low) / (high - low if high > low else 1.0)).clip(0, 1)
    extent = np.log(np.array(array.shape) * spacing)
    return np.concatenate([extent, np.log(spacing), levels, picture.ravel()]).astype(np.float32)


def as_distances(statistics: np.ndarray) -> np.ndarray:
    """Statistics (N, D) of several images, made comparable: each number by its spread, each of the three groups alike in all."""
    axes = 3 if statistics.shape[1] > 2 * 2 + len(PERCENTILES) + BLOCKS**2 else 2
    spread = statistics.std(axis=0)
    scaled = (statistics - statistics.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    sizes = np.repeat([2 * axes, len(PERCENTILES), BLOCKS**axes], [2 * axes, len(PERCENTILES), BLOCKS**axes])
    return scaled / np.sqrt(sizes)
