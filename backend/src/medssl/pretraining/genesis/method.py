"""Models Genesis: restore a distorted sub-volume (Zhou et al., Medical Image Analysis 67, 2021, 101840)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.loader import SubVolumeDataset
from medssl.distort import (
    BezierIntensity,
    Chain,
    Distortion,
    Flip,
    InPainting,
    LocalShuffle,
    OneOf,
    OutPainting,
    Sometimes,
    describe,
)
from medssl.images.intensity.normalise import normalise, resolve
from medssl.networks.unet3d import UNet3D
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.training.method import PlainMethod


@dataclass(frozen=True)
class GenesisViews:
    """`distorted` is what the network sees, `original` what it should answer: (N, 1, i, j, k), 0…1."""

    distorted: Tensor
    original: Tensor


class Genesis(PlainMethod):
    """The training step of Models Genesis on one screen: sub-volumes → flip → distortion → restoration → MSE.

    Args:
        config: every setting.
        modality: of the training set; decides the normalisation where the config says "auto".
        provenance: what the weights' header tells of their origin.

    Raises:
        InputError: the normalisation does not fit the modality.
    """

    geometry = Geometry()  # of the training volumes; the reader of the training data sets it

    def __init__(self, config: GenesisConfig, modality: str, provenance: dict[str, Any] | None = None) -> None:
        self.config, self.modality, self.provenance = config, modality, provenance or {}
        self.normalisation = resolve(config.normalisation, modality)
        self.flip = Flip(config.flip_probability)
        self.distortion = training_distortion(config)

    def network(self) -> nn.Module:
        """The U-Net, untrained."""
        return UNet3D(self.config.base_width, fidelity=self.config.fidelity)

    def dataset(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Random sub-volumes of the volumes."""
        return SubVolumeDataset(volumes, self.config.cube, self.config.sampler, self.normalisation, seed)

    def validation(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Samples like those of the training, the same every time."""
        return self.dataset(volumes, seed)

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> GenesisViews:
        """Normalise raw sub-volumes, flip input and target alike, distort the input."""
        sub_volumes = normalise(batch["raw"], batch["window"])  # (N, 1, i, j, k), 0…1
        original = self.flip.apply(sub_volumes, self.flip.draw(sub_volumes, generator))
        distorted = self.distortion.apply(original, self.distortion.draw(original, generator))
        return GenesisViews(self._laid_out(distorted), original)

    def describe(self, batch: dict[str, Tensor], generator: torch.Generator) -> list[list[str]]:
        """Names of what `views` does to each sub-volume with a generator in this state: flip is left out, it is no distortion."""
        sub_volumes = batch["raw"]
        self.flip.draw(sub_volumes, generator)
        return describe(self.distortion, self.distortion.draw(sub_volumes, generator), len(sub_volumes))

    def loss(self, network: nn.Module, views: GenesisViews) -> dict[str, Tensor]:
        """Mean squared error of the restoration."""
        return {"loss": functional.mse_loss(network(views.distorted).float(), views.original)}

    def evaluate(self, network: nn.Module, views: GenesisViews) -> dict[str, Tensor]:
        """Errors and moments of one validation batch."""
        restored = network(views.distorted).float()
        return {
            "validation_loss": functional.mse_loss(restored, views.original),
            "distorted_loss": functional.mse_loss(views.distorted, views.original),
            "output_variance": restored.var(),
            "target_mean": views.original.mean(),
            "target_square": views.original.square().mean(),
        }

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Beside the loss: that of leaving the sub-volume distorted, and that of answering with the constant mean."""
        mean, square = means.pop("target_mean"), means.pop("target_square")
        return {**means, "constant_mean_loss": square - mean**2}

    def plan(self) -> Plan:
        """The header of the trained weights."""
        return Plan(
            method="genesis",
            network={"base_width": self.config.base_width, "inputs": 1, "outputs": 1},
            fidelity=self.config.fidelity,
            normalisation=asdict(self.normalisation),
            input_size=self.config.cube,
            modality=self.modality,
            provenance=self.provenance,
            geometry=self.geometry,
        )

    def _laid_out(self, sub_volumes: Tensor) -> Tensor:
        channels_last = self.config.training.channels_last
        return sub_volumes.contiguous(memory_format=torch.channels_last_3d) if channels_last else sub_volumes


def training_distortion(config: GenesisConfig, strength: float = 1.0) -> Distortion:
    """What distorts the input in training: shuffle, then intensity, then painting, each by chance.

    Args:
        config: the chances.
        strength: 0…1, share of the published extent of each.
    """
    outside, inside = OutPainting(strength=strength), InPainting(strength=strength)
    return Chain(
        Sometimes(config.shuffle_probability, LocalShuffle(strength=strength)),
        Sometimes(config.bezier_probability, BezierIntensity(strength=strength)),
        Sometimes(
            config.paint_probability, OneOf((config.outpaint_share, outside), (1.0 - config.outpaint_share, inside))
        ),
    )
