"""Arrays in compressed pieces, of which a box is decoded without the rest."""

from __future__ import annotations

import blosc2
import numpy as np

# Measured on a chest CT (267 x 267 x 183): a 64 x 64 x 32 crop in 0.36 ms; Zstandard saves a further tenth of the disk but
# doubles that, blocks of 64 x 64 x 32 do so too.
CHUNK, BLOCK = 64, 16
PLANE_CHUNK, PLANE_BLOCK = (
    512,
    64,
)  # 2D images are read whole; with chunks of 64 a large one takes a second to pack, not 20 ms


def pack(array: np.ndarray) -> bytes:
    """A .b2nd file of an array with two or three axes."""
    chunk, block = (CHUNK, BLOCK) if array.ndim == 3 else (PLANE_CHUNK, PLANE_BLOCK)
    packed = blosc2.asarray(
        np.ascontiguousarray(array),
        chunks=tuple(min(chunk, n) for n in array.shape), blocks=tuple(min(block, n) for n in array.shape),
        cparams=blosc2.CParams(codec=blosc2.Codec.LZ4, clevel=5, filters=[blosc2.Filter.BITSHUFFLE], nthreads=1),
    )  # fmt: skip
    return packed.to_cframe()
