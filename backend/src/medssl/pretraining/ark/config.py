"""Settings of Foundation Ark. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from medssl.core.schema import setting
from medssl.images.intensity.config import NormalisationConfig
from medssl.training.config import TrainingConfig

BACKBONES: dict[str, dict[str, Any]] = {
    "swin_base_224": {"width": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32), "window": 7, "cells": 7},
    "swin_large_384": {"width": 192, "depths": (2, 2, 18, 2), "heads": (6, 12, 24, 48), "window": 12, "cells": 12},
    "swin_large_768": {"width": 192, "depths": (2, 2, 18, 2), "heads": (6, 12, 24, 48), "window": 12, "cells": 24},
    "swin_tiny_224": {"width": 96, "depths": (2, 2, 6, 2), "heads": (3, 6, 12, 24), "window": 7, "cells": 7},
    "swin_micro_112": {"width": 64, "depths": (2, 2, 2), "heads": (2, 4, 8), "window": 7, "cells": 7},
}
PATCH = 4  # pixels of a token's sides
KEPT_LARGER = 8 / 7  # kept images to views: 256 pixels for 224

_PAPER: dict[str, Any] = {  # as published
    "epochs": 200,
    "warmup_epochs": 20,
    "framing_probability": 0.5,
    "training": {
        "batch_size": 200, "optimizer": "sgd", "learning_rate": 0.3, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0,
        "clip_gradient": 0.0, "checkpoint_every": 500, "validation_samples": 1_000, "workers": 8,
    },
}  # fmt: skip
_LARGE: dict[str, Any] = {
    **_PAPER,
    "backbone": "swin_large_768",
    "teacher_view": "whole",
    "training": {**_PAPER["training"], "batch_size": 50},
}


@dataclass(frozen=True)
class ArkConfig:
    """Foundation Ark (Ma et al., MICCAI 2023, Nature 2025): one encoder accrues the labels of many differently labelled sets."""

    fidelity: str = setting(
        "paper", "paper: as published; released: learning rate, losses and heads as in the authors' code",
        choices=("paper", "released"),
    )  # fmt: skip
    backbone: str = setting(
        "swin_base_224", "Swin transformer, with the pixels of the images it sees", choices=tuple(BACKBONES)
    )
    teacher_view: str = setting(
        "same", "What the teacher sees: the student's crop without changes of intensity (Ark), or the whole image (Ark+)",
        choices=("same", "whole"),
    )  # fmt: skip
    order: str = setting(
        "cyclic", "cyclic: each set whole before the next; balanced: a step of each in turn, small sets seen more often",
        choices=("cyclic", "balanced"),
    )  # fmt: skip
    epochs: int = setting(
        0,
        "Passes over all sets; 0: training.steps says how long",
        unit="epochs",
        minimum=0,
        maximum=100_000,
        zero="as the steps say",
    )
    warmup_epochs: int = setting(
        0, "Of them, those of linear warm-up", unit="epochs", minimum=0, maximum=10_000, advanced=True
    )
    teacher_update: str = setting(
        "pass", "When the teacher follows: after each pass over a set, or each step", choices=("pass", "step"),
        advanced=True,
    )  # fmt: skip
    teacher_momentum: float = setting(
        0.9, "Momentum of the teacher at the start; grows to 1 by a cosine", minimum=0.0, maximum=1.0, advanced=True
    )
    consistency: float = setting(
        0.5, "Weight of the consistency with the teacher at the end; grows from 0 by a cosine", minimum=0.0, maximum=1.0,
        advanced=True,
    )  # fmt: skip
    projector: int = setting(1376, "Numbers of an embedding", minimum=1, maximum=65_536, advanced=True)
    drop_path: float = setting(
        0.1, "Share of residual branches left out in training", minimum=0.0, maximum=0.9, advanced=True
    )
    smallest_crop: float = setting(
        0.08, "Share of an image's area that a crop has at least", minimum=0.05, maximum=1.0, advanced=True
    )
    framing_probability: float = setting(
        1.0, "Probability of shift, zoom and turn", minimum=0.0, maximum=1.0, advanced=True
    )
    shift: float = setting(
        0.0625, "Largest shift, as a share of the sides", minimum=0.0, maximum=0.5, advanced=True
    )  # fmt: skip
    zoom: float = setting(0.1, "Largest change of a crop's sides", minimum=0.0, maximum=0.5, advanced=True)
    degrees: float = setting(10.0, "Largest turn", unit="degrees", minimum=0.0, maximum=180.0, advanced=True)
    intensity_probability: float = setting(
        0.3, "Probability of a change of brightness and contrast, or of gamma", minimum=0.0, maximum=1.0, advanced=True
    )
    unreadable_share: float = setting(
        0.1, "Share of a set's images that may be unreadable (one always may) before the training stops", minimum=0.0,
        maximum=1.0, advanced=True,
    )  # fmt: skip
    keep_images: bool = setting(
        True, "Keep decoded, small images on disk: every epoch after the first reads those", advanced=True
    )
    normalisation: NormalisationConfig = setting(NormalisationConfig(), "Intensity normalisation")
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    @property
    def network(self) -> dict[str, Any]:
        """Constructor arguments of the network, without its heads."""
        return {**BACKBONES[self.backbone], "patch": PATCH, "drop_path": self.drop_path, "projector": self.projector}

    @property
    def side(self) -> int:
        """Pixels of a view's sides."""
        backbone = BACKBONES[self.backbone]
        return backbone["cells"] * PATCH * 2 ** (len(backbone["depths"]) - 1)

    @property
    def kept_side(self) -> int:
        """Pixels of the sides of images as they are kept."""
        return round(self.side * KEPT_LARGER)

    @property
    def sample_size(self) -> tuple[int, int]:
        """Pixels of one sample along each axis."""
        return self.kept_side, self.kept_side

    def with_total_steps(self, epoch: int) -> ArkConfig:
        """With the steps that `epochs` means, an epoch being so many steps; a validation after each."""
        training = self.training
        if self.epochs:
            steps, warmup = self.epochs * epoch, self.warmup_epochs * epoch
            training = replace(training, steps=steps, warmup_steps=warmup, validate_every=epoch)
        if self.fidelity == "released":
            training = replace(training, schedule="validation-loss")
        return replace(self, training=training)

    @classmethod
    def under(cls, preset: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """The preset where steps are given and epochs are not: the steps count, with the preset's shares of warm-up and validation."""
        steps, epochs = values.get("training", {}).get("steps"), preset.get("epochs")
        if steps is None or "epochs" in values or not epochs:
            return preset
        kept = {name: value for name, value in preset.items() if name not in ("epochs", "warmup_epochs")}
        warmup = round(steps * preset.get("warmup_epochs", 0) / epochs)
        most = {field.name: field.metadata["maximum"] for field in fields(TrainingConfig)}
        schedule = {
            "warmup_steps": min(warmup, most["warmup_steps"]),
            "validate_every": min(max(1, steps // epochs), most["validate_every"]),
        }
        return {**kept, "training": {**preset.get("training", {}), **schedule}}

    ONLY_WHILE: ClassVar[dict[str, str]] = {
        "training.steps": "epochs=0", "training.warmup_steps": "epochs=0", "training.validate_every": "epochs=0",
        "warmup_epochs": "epochs>0", "training.schedule": "fidelity=paper",
    }  # fmt: skip
    PRESETS: ClassVar[dict[str, dict]] = {
        "default": {**_PAPER, "training": {**_PAPER["training"], "batch_size": 50}},
        "swin_base_224": _PAPER,
        "swin_large_768": _LARGE,
        "released": {**_PAPER, "fidelity": "released"},
        "swin_tiny_224": {
            "backbone": "swin_tiny_224",
            "framing_probability": 0.5,
            "epochs": 100,
            "warmup_epochs": 5,
            "training": {
                "batch_size": 64, "learning_rate": 5e-4, "weight_decay": 0.05, "checkpoint_every": 500,
                "validation_samples": 1_000, "workers": 4,
            },
        },
        "laptop": {
            "backbone": "swin_micro_112",
            "order": "balanced",
            "teacher_update": "step",
            "projector": 128,
            "drop_path": 0.0,
            "smallest_crop": 0.5,
            "epochs": 20,
            "warmup_epochs": 1,
            "training": {
                "batch_size": 16, "learning_rate": 2e-4, "weight_decay": 0.05, "checkpoint_every": 50,
                "validation_samples": 200,
            },
        },
    }  # fmt: skip
