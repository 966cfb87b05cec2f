"""Colours of results: easily distinguished ones, and colours of places in an image."""

from __future__ import annotations

import numpy as np

GOLDEN_ANGLE = 137.508  # degrees: any number of successive hues is spread evenly
LIGHTNESS = (0.78, 0.66, 0.86)  # in turn, so that hues which come close differ in lightness
CHROMA = 0.16
OKLAB_TO_LMS = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def distinct(count: int) -> list[str]:
    """`count` colours `#rrggbb` for lines, points and parts over a dark picture; the first ones never change."""
    n = np.arange(count)
    hue = np.deg2rad(40 + n * GOLDEN_ANGLE)
    lightness = np.array(LIGHTNESS)[n % len(LIGHTNESS)]
    return to_hex(np.stack([lightness, CHROMA * np.cos(hue), CHROMA * np.sin(hue)], axis=-1))


def of_places(x: np.ndarray, y: np.ndarray) -> list[str]:
    """Colours `#rrggbb` of places in an image: neighbours get similar ones.

    Args:
        x: 0 (left) ... 1 (right).
        y: 0 (top) ... 1 (bottom).
    """
    across, down = 2 * np.clip(x, 0, 1) - 1, 2 * np.clip(y, 0, 1) - 1
    return to_hex(np.stack([0.72 - 0.14 * down, 0.2 * across, -0.17 * down], axis=-1))


def to_hex(oklab: np.ndarray) -> list[str]:
    """(n, 3) OKLab (Ottosson, "A perceptual color space for image processing", 2020) to sRGB; what lies outside is clipped."""
    linear = ((oklab @ OKLAB_TO_LMS.T) ** 3 @ LMS_TO_RGB.T).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return ["#{:02x}{:02x}{:02x}".format(*row) for row in np.rint(255 * encoded).astype(int)]
