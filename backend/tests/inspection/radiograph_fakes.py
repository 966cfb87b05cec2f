"""Radiographs of noise, a network whose descriptors are a function of the cell alone, and a context that embeds with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from asking import Context
from scipy import ndimage
from torch import nn
from torch.nn import functional

from medssl.core.plan import Plan
from medssl.images.volume import Volume
from medssl.inference.patch_grid import PatchGrid, embed_patches
from medssl.networks.network import Network

CXR = {"kind": "cxr", "low": 0.0, "high": 255.0, "lower_percentile": 0.5, "upper_percentile": 99.5}
CELL = 8
SIDE = 19 * CELL  # an image of this size is looked at as it is


class CellNetwork(Network):
    """A token is the cell's own pixels without their mean, whatever lies around."""

    cells, cell, side, dimension = 14, CELL, 14 * CELL, CELL**2

    def __init__(self, method: str = "peac") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.plan = Plan(method, {}, "paper", CXR, (self.side,) * 2, "CXR")

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        pixels = functional.unfold(x[:, :1], CELL, stride=CELL).transpose(1, 2)  # (N, 196, 64)
        return (pixels - pixels.mean(dim=2, keepdim=True)) * self.weight


class RadiographContext(Context):
    """Embeds the images it was given; a reference's path is its number."""

    def __init__(self, folder: Path, images: list[Volume], net: Network | None = None) -> None:
        super().__init__(folder)
        self.images, self.net = images, net or CellNetwork()

    def volume(self, ref) -> Volume:
        return self.images[int(ref.path)]

    def model(self, reference, fidelity, device, part="") -> nn.Module:
        return self.net

    def embedding(self, ref, reference, fidelity, device, part="", dense=1) -> PatchGrid:
        return embed_patches(self.volume(ref), self.net, dense, ref.view, ref.inverted)


def radiograph(seed: int = 0, shape: tuple[int, int] = (SIDE, SIDE), name: str = "", blur: float = 1.5) -> Volume:
    """Smooth noise, 8 bits, without spacing; `blur` in pixels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), blur, mode="wrap")
    grey = np.rint(127 + 40 * noise / noise.std()).clip(0, 255)
    return Volume(grey.astype(np.int16), modality="CXR", name=name or f"noise {seed}")


def shifted(image: Volume, x: int, y: int, name: str = "shifted") -> Volume:
    """The same pixels, `x` to the right and `y` down; what leaves comes in at the other side."""
    return replace(image, array=np.roll(image.array, (x, y), axis=(0, 1)), name=name)


def grid_of(image: Volume, dense: int = 1) -> PatchGrid:
    return embed_patches(image, CellNetwork(), dense)


def references(count: int) -> list[dict]:
    return [{"path": str(n)} for n in range(count)]
