"""Volumes for tests of describing and finding, and a network before training that describes them."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.images.volume import Volume
from medssl.inference.untrained import untrained
from medssl.networks.network import Network

SIDES = (40, 48, 32)
RAS = np.diag([-1.0, -1.0, 1.0])  # the direction of a volume stored along right to left


def describer(stride: int = 2, seed: int = 0) -> Network:
    """A small network that describes MRs of 1 mm, before any training."""
    network = {"base_width": 4, "dimension": 16, "stride": stride}
    plan = Plan(
        "anatomy3d", network, normalisation={"kind": "mr-percentile"}, input_size=(16, 16, 16), modality="MR",
        geometry=Geometry("LPS", (1.0, 1.0, 1.0)),
    )  # fmt: skip
    return untrained(plan, seed)


def blobs(sides: tuple[int, int, int] = SIDES, seed: int = 0, name: str = "blobs") -> Volume:
    """Smooth noise, so that no place is like another, in LPS and somewhere in the world."""
    noise = np.random.default_rng(seed).normal(size=sides)
    values = ndimage.gaussian_filter(noise, 2.0)
    values = (100 + 1000 * (values - values.min()) / np.ptp(values)).astype(np.int16)
    return Volume(values, origin=np.array([10.0, -20.0, 30.0]), modality="MR", name=name)


def stored_otherwise(volume: Volume) -> Volume:
    """The same place of the world, stored with its first two axes swapped and running the other way."""
    swapped = np.ascontiguousarray(volume.array.transpose(1, 0, 2)[::-1, ::-1])
    direction = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    last = volume.origin + volume.direction @ (volume.spacing * [volume.shape[0] - 1, volume.shape[1] - 1, 0])
    return Volume(swapped, origin=last, direction=direction, modality="MR", name="stored otherwise")


def unit(seed: int, *shape: int) -> torch.Tensor:
    """Random directions (*shape)."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=-1)
