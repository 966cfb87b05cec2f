"""Radiographs of two discs, and a network that knows brightness alone."""

from __future__ import annotations

import numpy as np
import torch
from radiograph_fakes import CELL, SIDE, CellNetwork
from torch.nn import functional

from medssl.images.volume import Volume


class BrightnessNetwork(CellNetwork):
    """A token is a bump at the cell's mean grey: patches are alike where they are equally bright."""

    dimension = 8

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        mean = functional.avg_pool2d(x[:, 0], CELL).flatten(1)  # (N, 196), standardised
        centres = torch.linspace(-2, 2, self.dimension)
        return torch.exp(-((mean[..., None] - centres) ** 2)) * self.weight


def body(seed: int, width: int = SIDE, height: int = SIDE) -> Volume:
    """A bright disc (1) and a dark one (2) on grey; the second lies lower."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height), indexing="ij")
    shift = 0.1 * np.random.default_rng(seed).uniform(-1, 1)
    image = 120 + np.random.default_rng(seed).normal(0, 4, (width, height))
    image[np.hypot(x - shift, y + 0.4) < 0.35] += 90
    image[np.hypot(x - shift, y - 0.45) < 0.35] -= 90
    spacing, origin = np.array([0.5, 0.7, 1]), np.array([3.0, 4, 0])
    return Volume(image.astype(np.int16), spacing, origin, modality="CXR", name=f"body {seed}")


def truth(image: Volume) -> np.ndarray:
    return np.digitize(image.array, (75, 165))  # 0 dark, 1 grey, 2 bright
