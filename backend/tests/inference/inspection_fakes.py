"""Small volumes and small networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from medssl.core.plan import Plan
from medssl.images.volume import Volume
from medssl.networks.network import Network

CT = {"kind": "ct", "low": -1000.0, "high": 1000.0, "lower_percentile": 0.5, "upper_percentile": 99.5}


class Identity(Network):
    """Answers with its input, counting the windows of each call."""

    def __init__(self, fidelity: str = "paper", method: str = "genesis", modality: str = "CT") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.plan = Plan(method, {}, fidelity, CT, (16, 16, 8), modality)
        self.calls: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(x))
        return x * self.weight


def make_ct(shape: tuple[int, ...] = (24, 20, 12), seed: int = 0) -> Volume:
    """Smooth HU between −1000 and 1000, oblique, anisotropic."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij")
    wave = np.sin(sum(g * f for g, f in zip(grid, rng.uniform(0.5, 2, len(shape)))))
    array = np.rint(wave * 950 + rng.normal(0, 10, shape)).clip(-1000, 1000).astype(np.int16)
    c, s = np.cos(0.4), np.sin(0.4)
    direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return Volume(array, np.array([0.7, 0.8, 2.5]), np.array([5.0, -7.0, 11.0]), direction, "CT", "scan", "p1")
