"""Small pictures of images."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from medssl.images.geometry import turn_to_read, turned
from medssl.images.volume import Volume

SIDE = 260  # pixels of the longer side
SHOWN = (0.5, 99.5)  # percentiles of an image that are drawn black and white
LOOKED_AT = 2**20  # pixels that tell them, about; an odd step apart, so that no axis is left out


def thumbnail_of(volume: Volume, kind: str = "PNG") -> bytes:
    """A small picture of an image, of a volume its middle slice as readers look at it.

    Args:
        volume: 2D or 3D.
        kind: PNG, or JPEG in a sixth of the bytes.
    """
    if volume.array.ndim == 3:
        volume = turned(volume, turn_to_read(volume))
    low, high = np.percentile(volume.array.ravel()[:: volume.array.size // LOOKED_AT | 1], SHOWN)
    array = volume.array if volume.array.ndim == 2 else volume.array[:, :, volume.shape[2] // 2]
    grey = np.clip((array.astype(np.float32) - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    size = np.array(array.shape) * volume.spacing[:2]
    picture = Image.fromarray(np.ascontiguousarray(grey.T)).resize(
        tuple(np.maximum(np.rint(size * SIDE / size.max()), 1).astype(int).tolist())
    )
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()
