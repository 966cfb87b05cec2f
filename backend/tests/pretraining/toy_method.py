"""A pretraining method in thirty lines: a convolution learns to take noise off sub-volumes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from medssl.core.plan import Plan
from medssl.core.schema import setting
from medssl.datasets.crops.loader import SubVolumeDataset
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import normalise, resolve
from medssl.networks.network import Network
from medssl.training.config import TrainingConfig
from medssl.training.method import PlainMethod


@dataclass(frozen=True)
class ToyConfig:
    """Toy denoising: take noise off a sub-volume."""

    channels: int = setting(4, "Channels between the two layers", minimum=1, maximum=64)
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    sample_size: ClassVar[tuple[int, ...]] = (16, 16, 16)
    PRESETS: ClassVar[dict[str, dict]] = {"default": {}, "laptop": {"training": {"steps": 4}}}


class ToyNetwork(Network):
    answer = "restored image"
    embeddings = ("encoder",)

    def __init__(self, channels: int = 4, fidelity: str = "paper") -> None:
        super().__init__()
        self.first, self.last = nn.Conv3d(1, channels, 3, padding=1), nn.Conv3d(channels, 1, 1)

    def forward(self, x):
        return self.last(functional.relu(self.first(x))).sigmoid()

    def embed(self, x, features=""):
        return functional.relu(self.first(x)).mean(dim=(2, 3, 4))


@dataclass(frozen=True)
class ToyViews:
    distorted: torch.Tensor
    original: torch.Tensor


class Toy(PlainMethod):
    def __init__(self, config: ToyConfig, modality: str, provenance=None) -> None:
        self.config, self.modality, self.provenance = config, modality, provenance or {}
        self.normalisation = resolve(NormalisationConfig(), modality)

    def network(self):
        return ToyNetwork(self.config.channels)

    def dataset(self, volumes, seed):
        return SubVolumeDataset(volumes, self.config.sample_size, "uniform", self.normalisation, seed)

    validation = dataset

    def views(self, batch, generator):
        original = normalise(batch["raw"], batch["window"])
        noise = torch.randn(original.shape, generator=generator)
        return ToyViews((original + 0.2 * noise).clamp(0, 1), original)

    def describe(self, batch, generator):
        return [["noise"] for _ in batch["raw"]]

    def loss(self, network, views):
        return {"loss": functional.mse_loss(network(views.distorted).float(), views.original)}

    def evaluate(self, network, views):
        return {"validation_loss": self.loss(network, views)["loss"]}

    def summarise(self, means):
        return means

    def plan(self):
        return Plan(
            "toy", {"channels": self.config.channels}, normalisation=asdict(self.normalisation),
            input_size=self.config.sample_size, modality=self.modality, provenance=self.provenance,
        )  # fmt: skip
