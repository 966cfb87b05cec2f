"""Whether a radiograph seems to be stored the other way round: air bright, bone dark."""

from __future__ import annotations

import numpy as np

from medssl.images.borders import box_of

SIDE = 256  # pixels that are looked at along each side, at most
SMALLEST = 32  # pixels: of less nothing is said
DOUBT = -0.3  # in shares of the range; public chest radiographs lie above -0.03, 99.5 % of their inverses below (docs/experiments.md)
NOTE = "The picture looks inverted (bright air, dark bone): look at it, and state it as inverted if it is"


def looks_inverted(pixels: np.ndarray) -> bool:
    """Whether a 2D image (column, row) is probably a radiograph's negative.

    A chest or a limb lies in the middle: its middle is brighter than the upper corners, which are air, and middle and bottom
    are brighter than the lungs, or the air beside a limb. Only where the sum of all three is clearly reversed this says so.
    """
    if pixels.ndim != 2 or min(pixels.shape) < SMALLEST:
        return False
    steps = [max(1, side // SIDE) for side in pixels.shape]
    small = pixels[:: steps[0], :: steps[1]]
    x0, y0, width, height = box_of(small, "CXR")
    small = small[x0 : x0 + width, y0 : y0 + height].astype(np.float32)
    if min(small.shape) < SMALLEST // 2:
        return False
    low, high = np.percentile(small, (1, 99))
    if high <= low:
        return False
    shown = np.clip((small - low) / (high - low), 0, 1)

    def at(x: tuple[float, float], y: tuple[float, float]) -> float:
        (a, b), (c, d) = [[int(share * side) for share in part] for part, side in zip((x, y), shown.shape)]
        return float(np.median(shown[a : max(b, a + 1), c : max(d, c + 1)]))

    middle, bottom = at((0.45, 0.55), (0.4, 0.8)), at((0.3, 0.7), (0.85, 1))
    corners = (at((0, 0.1), (0, 0.1)) + at((0.9, 1), (0, 0.1))) / 2
    lungs = (at((0.2, 0.38), (0.3, 0.6)) + at((0.62, 0.8), (0.3, 0.6))) / 2
    return (middle - lungs) + (middle - corners) + (bottom - lungs) < DOUBT
