"""A drawn chest: enough of a radiograph for borders, intensities and orientation to be told."""

from __future__ import annotations

import numpy as np


def chest(width: int = 200, height: int = 240) -> np.ndarray:
    """(column, row) float, 0...1: grey body on dark air, darker lungs, bright spine and abdomen, smooth noise."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height), indexing="ij")
    image = np.where(np.abs(x) < 0.9 + 0.1 * y, 0.6, 0.02)
    for side in (-0.45, 0.45):
        image[((x - side) / 0.3) ** 2 + (y / 0.65) ** 2 < 1] = 0.25
    image[np.abs(x) < 0.09] = 0.9
    image[(np.abs(x) < 0.8) & (y > 0.55)] = 0.8
    noise = np.random.default_rng(5).normal(0, 0.01, image.shape)
    return np.clip(image + noise, 0, 1)


def stored(image: np.ndarray, bits: int) -> np.ndarray:
    """0...1 as whole numbers of so many bits."""
    return np.rint(image * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
