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
CNNS: dict[str, dict[str, Any]] = {  # of timm, and in which STANDARDS their weights of ImageNet saw images
    "efficientnet_lite0": {"name": "tf_efficientnet_lite0", "standard": "inception"},
    "resnet18": {"name": "resnet18", "standard": "imagenet"},
    "resnet50": {"name": "resnet50", "standard": "imagenet"},
    "densenet121": {"name": "densenet121", "standard": "imagenet"},
    "convnext_tiny": {"name": "convnext_tiny", "standard": "imagenet"},
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
        "swin_base_224",
        "Swin transformer, with the pixels of the images it sees; or a convolutional network. Those published begin with weights of ImageNet",
        choices=(*BACKBONES, *CNNS),
    )
    pixels: int = setting(
        224, "Pixels of the sides of the images that a convolutional network sees", unit="pixels", minimum=64, maximum=1024,
        advanced=True,
    )  # fmt: skip
    teacher_view: str = setting(
        "same", "What the teacher sees: the student's crop without changes of intensity (Ark), or the whole image (Ark+)",
        choices=("same", "whole"),
    )  # fmt: skip
    order: str = setting(
        "cyclic", "cyclic: each set whole before the next; balanced: a step of each in turn, small sets seen more often; interleaved: "
        "each set whole in an epoch, its steps spread evenly among those of the others",
        choices=("cyclic", "balanced", "interleaved"),
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
    frozen_share: float = setting(
        0.0, "Share of the run in which the backbone is frozen: projector and heads learn first, with weights of ImageNet say; 1: all of it",
        minimum=0.0, maximum=1.0, advanced=True,
    )  # fmt: skip
    last_share: float = setting(
        0.0, "Share of the run after that in which the last stages of the backbone learn too, before all of it does",
        minimum=0.0, maximum=1.0, advanced=True,
    )  # fmt: skip
    last_stages: int = setting(
        2, "Stages at the end of the backbone that learn then", minimum=1, maximum=100, advanced=True
    )
    rate_restarts: bool = setting(
        False, "The schedule of the learning rate begins anew when the backbone begins to learn: first the heads, then fine-tuning",
        advanced=True,
    )  # fmt: skip
    backbone_rate: float = setting(
        1.0, "Learning rate of the backbone, as a share of that of projector and heads", minimum=0.0001, maximum=1.0,
        advanced=True,
    )  # fmt: skip
    batch_norms: str = setting(
        "auto", "Batch norms of a convolutional network: rest, with the statistics it began with; learn, following batches, each of "
        "which is of one set; auto: rest where training began with weights", choices=("auto", "rest", "learn"), advanced=True,
    )  # fmt: skip
    fixed_views: int = setting(
        0, "While the backbone is frozen: 0, views drawn anew each time; k, the same k of each image, the first of them the image as it "
        "is, so that their features need computing only once", minimum=0, maximum=64, advanced=True,
    )  # fmt: skip
    keep_features: bool = setting(
        True, "Keep the features of fixed views on disk: epochs of a frozen backbone then take seconds", advanced=True
    )
    teacher: bool = setting(
        True, "Keep a teacher that follows the student; off: the student itself is in its place", advanced=True
    )
    teacher_update: str = setting(
        "pass", "When the teacher follows: after each pass over a set, or each step", choices=("pass", "step"),
        advanced=True,
    )  # fmt: skip
    teacher_momentum: float = setting(
        0.9, "Momentum of the teacher at the start; grows to 1 by a cosine", minimum=0.0, maximum=1.0, advanced=True
    )
    consistency: float = setting(
        0.5, "Weight of the consistency with the teacher at the end; grows from 0 by a cosine; 0: none", minimum=0.0, maximum=1.0,
        advanced=True,
    )  # fmt: skip
    projector: int = setting(1376, "Numbers of an embedding", minimum=1, maximum=65_536, advanced=True)
    drop_path: float = setting(
        0.1, "Share of a Swin's residual branches left out in training", minimum=0.0, maximum=0.9, advanced=True
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
    def network_name(self) -> str:
        """Key of NETWORKS."""
        return "ark-cnn" if self.backbone in CNNS else "ark"

    @property
    def network(self) -> dict[str, Any]:
        """Constructor arguments of the network, without its heads."""
        if self.backbone in CNNS:
            return {**CNNS[self.backbone], "pixels": self.pixels, "projector": self.projector}
        return {**BACKBONES[self.backbone], "patch": PATCH, "drop_path": self.drop_path, "projector": self.projector}

    @property
    def side(self) -> int:
        """Pixels of a view's sides."""
        if self.backbone in CNNS:
            return self.pixels
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
        "pixels": f"backbone={'|'.join(CNNS)}", "batch_norms": f"backbone={'|'.join(CNNS)}",
        "drop_path": f"backbone={'|'.join(BACKBONES)}", "last_stages": "last_share>0", "fixed_views": "frozen_share>0", "rate_restarts": "frozen_share>0",
        "keep_features": "fixed_views>0", "teacher_update": "teacher=True", "teacher_momentum": "teacher=True",
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
        "imagenet_cnn": {  # with --start-from imagenet:efficientnet_lite0: the head first on kept features, then the last stages
            "backbone": "efficientnet_lite0",
            "order": "interleaved",
            "projector": 128,
            "teacher_update": "step",
            "epochs": 20,
            "warmup_epochs": 1,
            "frozen_share": 0.5,
            "last_share": 1.0,
            "fixed_views": 1,
            "rate_restarts": True,
            "backbone_rate": 0.4,
            "smallest_crop": 0.5,
            "framing_probability": 0.5,
            "training": {
                "batch_size": 16, "learning_rate": 3e-4, "weight_decay": 0.05, "checkpoint_every": 200,
                "validation_samples": 200,
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
