"""Findings drawn into simulated radiographs: what the demonstration of Ark learns to see."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

LandmarkPixels = dict[str, tuple[float, float]]  # landmark -> x, y in pixels
SIDES = ("right", "left")  # of the patient


class Disc(NamedTuple):
    """Where a finding was drawn: centre and radius in pixels."""

    x: float
    y: float
    radius: float

    def near(self, shape: tuple[int, ...]) -> np.ndarray:
        """Places (rows, columns) within 1.5 times the radius: a network sees patches, not pixels."""
        row, column = np.indices(shape)
        return (column - self.x) ** 2 + (row - self.y) ** 2 <= (1.5 * self.radius) ** 2


def round_opacity(
    pixels: np.ndarray, points: LandmarkPixels, side: str, rng: np.random.Generator
) -> tuple[np.ndarray, Disc]:
    """A denser sphere in a lung: pixels of a ray sum grow by the length of the ray within it.

    Args:
        pixels: (rows, columns) uint8, a ray sum.
        points: at least carina and the lungs' borders, see `chest_landmarks`.
        side: of the patient.
        rng: draws place, size and density.
    """
    width = chest_width(points)
    x, y = place(points, side, rng.uniform(0.42, 0.72), rng.uniform(-0.10, 0.22))
    radius, density = width * rng.uniform(0.10, 0.15), rng.uniform(70, 110)
    row, column = np.indices(pixels.shape)
    chord = np.sqrt(np.clip(1 - ((column - x) ** 2 + (row - y) ** 2) / radius**2, 0, None))
    return added(pixels, ndimage.gaussian_filter(density * chord, 0.004 * width)), Disc(x, y, radius)


def basal_opacity(pixels: np.ndarray, points: LandmarkPixels, side: str, rng: np.random.Generator) -> np.ndarray:
    """Fluid at the base of a lung, its level rising towards the chest wall: where rays met air, they meet soft tissue.

    See `round_opacity`; where the sample knows the diaphragm's dome, the fluid stands on it.
    """
    width = chest_width(points)
    height, share = width * rng.uniform(0.12, 0.24), rng.uniform(0.6, 0.95)
    middle, wall = (place(points, side, outwards, 0.0)[0] for outwards in (0.0, 1.0))
    _, dome = points.get(f"diaphragm_dome_{side}", place(points, side, 0.5, 0.45))
    row, column = np.indices(pixels.shape)
    outwards = (column - middle) / (wall - middle)  # 0 at the carina, 1 at the lung's border
    level = dome - height * (0.4 + 0.8 * outwards.clip(0, 1.1) ** 2)
    depth = ((row - level) / (0.08 * width)).clip(0, 1)
    across = ((outwards - 0.15) / 0.15).clip(0, 1) * ((1.25 - outwards) / 0.12).clip(0, 1)
    tissue = np.percentile(pixels[pixels > 0], 70)
    return added(pixels, share * depth * across * np.clip(tissue - pixels, 0, None))


def place(points: LandmarkPixels, side: str, outwards: float, down: float) -> tuple[float, float]:
    """A place in a lung: its share of the way from the carina to the lung's border, and how far below, in chest widths."""
    x, y = points["carina"]
    return x + outwards * (points[f"lung_border_{side}"][0] - x), y + down * chest_width(points)


def chest_width(points: LandmarkPixels) -> float:
    """Pixels between the outer borders of the lungs."""
    return abs(points["lung_border_left"][0] - points["lung_border_right"][0])


def added(pixels: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Pixels with further density, in their range."""
    return np.rint(np.clip(pixels + density, 0, 255)).astype(np.uint8)
