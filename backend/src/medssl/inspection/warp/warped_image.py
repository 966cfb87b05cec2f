"""What a warp does to an image, and how much nearer to its target that brings it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from medssl.images.borders import box_of
from medssl.images.volume import Volume
from medssl.inspection.anatomy.search_area import same_place
from medssl.inspection.warp.thin_plate import Warp


def warped(moving: Volume, fixed: Volume, warp: Warp) -> Volume:
    """The moving radiograph on the fixed one's pixels, float32; what lies outside it is its darkest value."""
    return _resampled(moving, fixed, warp.everywhere(fixed.shape))


def unwarped(moving: Volume, fixed: Volume) -> Volume:
    """The same by relative place alone: what the warp has to beat."""
    pixels = np.moveaxis(np.indices(fixed.shape[:2]), 0, -1)
    there, here = (box_of(image.array, image.modality) for image in (fixed, moving))
    return _resampled(moving, fixed, same_place(pixels, there, here))


def correlations(moving: Volume, fixed: Volume, warp: Warp) -> tuple[float, float]:
    """Pearson's of the fixed image with the warped one, and with the one that lies there by relative place alone.

    Over the pixels that show something of the moving image after the warp; 0 where an image does not vary there.
    """
    pixels = warp.everywhere(fixed.shape)
    shown = ((pixels >= 0) & (pixels <= np.array(moving.shape[:2]) - 1)).all(axis=-1)
    values = [
        image.array[shown].astype(float) for image in (fixed, warped(moving, fixed, warp), unwarped(moving, fixed))
    ]
    if not shown.any() or min(np.ptp(one) for one in values) == 0:
        return 0.0, 0.0
    after, before = (float(np.corrcoef(values[0], other)[0, 1]) for other in values[1:])
    return after, before


def displacement_lattice(fixed: Volume, warp: Warp) -> Volume:
    """An image whose pixels are the places of the warp's lattice; its values are 0."""
    spacing = fixed.spacing * (warp.step, warp.step, 1.0)
    return replace(fixed, array=np.zeros(warp.places.shape[:2], np.uint8), spacing=spacing, modality="", notes=())


def displacement_vectors(moving: Volume, fixed: Volume, warp: Warp) -> np.ndarray:
    """(columns, rows, 3) mm in LPS: from a place of the fixed image to that of the moving one, on the warp's lattice."""
    lattice = np.moveaxis(np.indices(warp.places.shape[:2]), 0, -1) * warp.step
    return _world(moving, warp.places) - _world(fixed, lattice)


def _world(image: Volume, pixels: np.ndarray) -> np.ndarray:
    """(..., 3) mm in LPS of pixels (..., 2)."""
    return image.origin + (pixels * image.spacing[:2]) @ image.direction[:, :2].T


def _resampled(moving: Volume, fixed: Volume, pixels: np.ndarray) -> Volume:
    values = ndimage.map_coordinates(
        moving.array.astype(np.float32), np.moveaxis(pixels, -1, 0), order=1, cval=float(moving.array.min())
    )
    return replace(
        fixed, array=values, name=f"{moving.name} warped", modality=moving.modality, notes=(), statistics=None
    )
