"""Radiographs in files, a network that counts what it is shown, and a context that keeps what an inspection wants to keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from asking import Context
from PIL import Image
from scipy import ndimage
from torch import nn
from torch.nn import functional

from medssl.core.plan import Plan
from medssl.datasets.entry import Entry
from medssl.images.formats.reading import read_volume
from medssl.networks.network import Network

CXR = {"kind": "cxr", "low": 0.0, "high": 255.0, "lower_percentile": 0.5, "upper_percentile": 99.5}


class Blocks(Network):
    """An embedding is the means of an image's 4 x 4 blocks without their own mean."""

    side, input_size, embeddings = 16, (16, 16), ("encoder",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.plan = Plan("blocks", {}, "paper", CXR, (16, 16), "CXR", sha256="b10c")
        self.shown = 0

    def embed(self, x: torch.Tensor, features: str = "") -> torch.Tensor:
        self.shown += len(x)
        blocks = functional.avg_pool2d(x * self.weight, 4).flatten(1)
        return blocks - blocks.mean(dim=1, keepdim=True)


class KeepingContext(Context):
    """Reads files, and keeps as the worker does."""

    def __init__(self, folder: Path, net: Network) -> None:
        super().__init__(folder, net=net)
        self.warm: dict = {}

    def volume(self, ref):
        return read_volume(ref.path)

    def model(self, reference, fidelity, device, part=""):
        return self._net

    def kept(self, key, make):
        if key not in self.warm:
            self.warm[key] = make()
        return self.warm[key]


def write_radiograph(path: Path, seed: int, side: int = 80) -> Path:
    """Smooth noise, 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 6)
    Image.fromarray(np.rint(127 + 45 * noise / noise.std()).clip(0, 255).astype(np.uint8)).save(path)
    return path


def write_set(folder: Path, count: int) -> list[Entry]:
    """`count` radiographs; every second one is of the patient of the one before."""
    return [entry_of(write_radiograph(folder / f"{n}.png", n), f"p{n // 2}") for n in range(count)]


def entry_of(path: Path, patient: str, **known) -> Entry:
    return Entry(path, patient, modality="CXR", name=path.stem, **known)
