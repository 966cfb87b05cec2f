"""Settings of the dense contrastive anatomy embedding. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from medssl.core.errors import ConfigError
from medssl.core.schema import setting
from medssl.images.intensity.config import NormalisationConfig
from medssl.pretraining.peac.config import BACKBONES, CELLS
from medssl.training.config import TrainingConfig, WithTraining

_TINY: dict[str, Any] = {
    "backbone": "swin_tiny",
    "training": {
        "steps": 50_000, "batch_size": 32, "learning_rate": 5e-4, "weight_decay": 0.05, "warmup_steps": 1_000, "ema": 0.999,
        "validate_every": 1_000, "checkpoint_every": 500, "workers": 4,
    },
}  # fmt: skip


@dataclass(frozen=True)
class AnatomyConfig(WithTraining):
    """Dense anatomy (a dense contrastive embedding, after PEAC): a place is more like itself in another view than like any other."""

    backbone: str = setting(
        "swin_base",
        "Swin transformer: swin_base sees 448 px, swin_tiny 224 px, swin_micro 112 px",
        choices=tuple(BACKBONES),
    )
    drop_path: float = setting(
        0.1, "Share of residual branches left out in training", minimum=0.0, maximum=0.9, advanced=True
    )
    views: str = setting(
        "affine",
        "affine: two scaled, turned and stretched windows at any place, so that place in a view says nothing; "
        "published: two crops of one grid, as PEAC takes them",
        choices=("affine", "published"), advanced=True,
    )  # fmt: skip
    smallest_scale: float = setting(
        0.5, "Smallest share of the short side that a view shows", minimum=0.1, maximum=2.0, advanced=True
    )
    largest_scale: float = setting(
        1.0, "Largest share of the short side that a view shows", minimum=0.1, maximum=2.0, advanced=True
    )
    degrees: float = setting(15.0, "Largest turn of a view", unit="degrees", minimum=0.0, maximum=180.0, advanced=True)
    aspect: float = setting(
        0.1, "Largest share by which one side of a view is stretched against the other", minimum=0.0, maximum=1.0,
        advanced=True,
    )  # fmt: skip
    curve_probability: float = setting(
        0.9,
        "Probability of a rising non-linear intensity curve, for each view",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    box_probability: float = setting(
        0.5, "Probability of boxes of noise, for each view", minimum=0.0, maximum=1.0, advanced=True
    )
    temperature: float = setting(
        0.1, "What cosines are divided by before places are told apart: smaller looks at the hardest ones only",
        minimum=0.01, maximum=10.0,
    )  # fmt: skip
    apart: float = setting(
        1.2, "How far from the true place a cell is at least that counts as another place", unit="cells", minimum=0.0,
        maximum=10.0, advanced=True,
    )  # fmt: skip
    negatives: str = setting(
        "image", "Other places: of the same image, or of all images of the batch too", choices=("image", "batch"),
        advanced=True,
    )  # fmt: skip
    normalisation: NormalisationConfig = setting(NormalisationConfig(), "Intensity normalisation")
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    def __post_init__(self) -> None:
        if self.smallest_scale > self.largest_scale:
            raise ConfigError(
                f"smallest_scale = {self.smallest_scale}",
                f"is above largest_scale = {self.largest_scale}",
                "Exchange them",
                code="setting-out-of-range",
            )

    @property
    def network(self) -> dict[str, Any]:
        """Arguments of the network."""
        return {**BACKBONES[self.backbone], "cells": CELLS, "drop_path": self.drop_path}

    @property
    def cell(self) -> int:
        """Pixels along a side of a cell: a patch, halved in resolution between stages."""
        backbone = BACKBONES[self.backbone]
        return backbone["patch"] * 2 ** (len(backbone["depths"]) - 1)

    @property
    def sample_size(self) -> tuple[int, ...]:
        """Pixels of a view along each axis."""
        return (self.cell * CELLS,) * 2

    ONLY_WHILE: ClassVar[dict[str, str]] = dict.fromkeys(
        ("smallest_scale", "largest_scale", "degrees", "aspect"), "views=affine"
    )
    PRESETS: ClassVar[dict[str, dict]] = {
        "default": _TINY,
        "swin_tiny_224": _TINY,
        "swin_base_448": {"backbone": "swin_base", "training": {**_TINY["training"], "batch_size": 16, "workers": 8}},
        "laptop": {
            "backbone": "swin_micro",
            "drop_path": 0.0,
            "training": {
                "steps": 3_600, "batch_size": 8, "learning_rate": 1e-3, "weight_decay": 0.05, "warmup_steps": 50, "ema": 0.995,
                "validate_every": 300, "validation_samples": 64, "checkpoint_every": 300,
            },
        },
    }  # fmt: skip
