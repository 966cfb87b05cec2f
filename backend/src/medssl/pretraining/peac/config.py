"""Settings of PEAC. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from medssl.core.schema import setting
from medssl.images.intensity.config import NormalisationConfig
from medssl.training.config import TrainingConfig, WithTraining

CELLS, SPARE = 14, 4  # cells along a side of a crop; how many more the grid has
BACKBONES: dict[str, dict[str, Any]] = {  # Swin transformers whose last stage has a token per cell
    "swin_base": {"width": 128, "patch": 4, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32)},  # 448 px, cells of 32
    "swin_tiny": {"width": 96, "patch": 4, "depths": (2, 2, 6), "heads": (3, 6, 12)},  # 224 px, cells of 16
    "swin_micro": {"width": 64, "patch": 4, "depths": (2, 4), "heads": (2, 4)},  # 112 px, cells of 8
}

EPOCH = 10_816  # steps of 8 images

_BASE: dict[str, Any] = {  # as published, for the 86 524 training images of ChestX-ray14
    "backbone": "swin_base",
    "training": {
        "steps": 400 * EPOCH, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9,
        "weight_decay": 0.0, "warmup_steps": 5 * EPOCH, "rate_every": EPOCH, "clip_gradient": 0.0, "validate_every": EPOCH,
        "checkpoint_every": 1_000, "workers": 8,
    },
}  # fmt: skip
_TINY: dict[str, Any] = {
    "backbone": "swin_tiny",
    "global_hidden": 2048,
    "global_weight": 80.0,  # with the published pull, 2.5e4 at this width, or heads that learn like the rest, both embeddings become constants
    "embedding_rate": 0.01,
    "training": {
        "steps": 100_000, "batch_size": 32, "learning_rate": 5e-4, "weight_decay": 0.05, "warmup_steps": 1_000,
        "validate_every": 1_000, "checkpoint_every": 500, "workers": 4,
    },
}  # fmt: skip


@dataclass(frozen=True)
class PeacConfig(WithTraining):
    """PEAC (Zhou et al., BMVC 2023): crops of a radiograph agree on the whole and on every cell they share."""

    fidelity: str = setting(
        "paper", "paper: cells that show the same pixels agree; released: as the authors' code pairs them (affine views have their own "
        "pairs)",
        choices=("paper", "released"),
    )  # fmt: skip
    backbone: str = setting(
        "swin_base",
        "Swin transformer: swin_base sees 448 px, swin_tiny 224 px, swin_micro 112 px",
        choices=tuple(BACKBONES),
    )
    drop_path: float = setting(
        0.1, "Share of residual branches left out in training", minimum=0.0, maximum=0.9, advanced=True
    )
    global_hidden: int = setting(
        8192, "Width of the embedding of a whole crop", minimum=16, maximum=65_536, advanced=True
    )
    local_hidden: int = setting(512, "Width of the embedding of a cell", minimum=16, maximum=8192, advanced=True)
    views: str = setting(
        "published", "published: two crops of one grid; affine: two scaled, turned and stretched windows at any place, whose cells "
        "go with the nearest ones", choices=("published", "affine"), advanced=True,
    )  # fmt: skip
    shuffle_probability: float = setting(
        0.5, "Share of samples whose cells are permuted; the others are distorted in appearance",
        minimum=0.0, maximum=1.0, advanced=True,
    )  # fmt: skip
    shuffle_windows: int = setting(
        40, "Local-shuffle windows of a distorted crop", minimum=0, maximum=100_000, advanced=True
    )
    bezier_probability: float = setting(
        0.9, "Probability of a non-linear intensity curve", minimum=0.0, maximum=1.0, advanced=True
    )
    paint_probability: float = setting(0.9, "Probability of painting", minimum=0.0, maximum=1.0, advanced=True)
    outpaint_share: float = setting(
        0.8, "Share of painting that is out-painting", minimum=0.0, maximum=1.0, advanced=True
    )
    order_weight: float = setting(1.0, "Weight of the order loss", minimum=0.0, maximum=1e9, advanced=True)
    restore_weight: float = setting(1.0, "Weight of the restoration loss", minimum=0.0, maximum=1e9, advanced=True)
    global_weight: float = setting(1e5, "Weight of the global consistency", minimum=0.0, maximum=1e9, advanced=True)
    local_weight: float = setting(1.0, "Weight of the local consistency", minimum=0.0, maximum=1e9, advanced=True)
    embedding_rate: float = setting(
        1.0, "Learning rate of the heads of both embeddings, as a share of that of the rest", minimum=0.0001, maximum=1.0,
        advanced=True,
    )  # fmt: skip
    teacher_momentum: float = setting(
        0.999, "Momentum of the teacher at the start; grows to 1 by a cosine", minimum=0.0, maximum=1.0, advanced=True
    )
    normalisation: NormalisationConfig = setting(NormalisationConfig(), "Intensity normalisation")
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    @property
    def network(self) -> dict[str, Any]:
        """Arguments of the network."""
        return {
            **BACKBONES[self.backbone], "cells": CELLS, "drop_path": self.drop_path,
            "global_hidden": self.global_hidden, "local_hidden": self.local_hidden,
        }  # fmt: skip

    @property
    def cell(self) -> int:
        """Pixels along a side of a cell: a patch, halved in resolution between stages."""
        backbone = BACKBONES[self.backbone]
        return backbone["patch"] * 2 ** (len(backbone["depths"]) - 1)

    @property
    def sample_size(self) -> tuple[int, ...]:
        """Pixels of one sample, the whole grid, along each axis."""
        return (self.cell * (CELLS + SPARE),) * 2

    ONLY_WHILE: ClassVar[dict[str, str]] = {"outpaint_share": "paint_probability>0"}
    PRESETS: ClassVar[dict[str, dict]] = {
        "default": _TINY,
        "swin_tiny_224": _TINY,
        "swin_base_448": _BASE,
        "released": {  # its schedule begins at epoch 8, behind the warm-up
            **_BASE, "fidelity": "released", "training": {**_BASE["training"], "rate_ahead": 8 * EPOCH},
        },
        "swin_base_448_adamw": {
            **_BASE,
            "training": {
                **_BASE["training"], "optimizer": "adamw", "learning_rate": 5e-4, "weight_decay": 0.05,
            },
        },
        "laptop": {
            "backbone": "swin_micro",
            "global_hidden": 256,
            "local_hidden": 128,
            "drop_path": 0.0,
            "order_weight": 3.0,
            "global_weight": 10.0,
            "embedding_rate": 0.01,
            "shuffle_probability": 0.3,
            "paint_probability": 0.3,
            "teacher_momentum": 0.99,
            "training": {
                "steps": 1_600, "batch_size": 8, "learning_rate": 1.5e-3, "weight_decay": 0.05, "warmup_steps": 50,
                "validate_every": 400, "validation_samples": 64, "checkpoint_every": 400,
            },
        },
    }  # fmt: skip
