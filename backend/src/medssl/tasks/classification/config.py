"""Settings of classification. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.errors import ConfigError
from medssl.core.schema import setting
from medssl.images.geometry_config import WholeGeometryConfig
from medssl.images.intensity.config import NormalisationConfig
from medssl.pretraining.peac.config import BACKBONES
from medssl.tasks.transfer_config import SelectionConfig, TransferConfig
from medssl.training.config import TrainingConfig, WithTraining

UNCERTAIN = ("ignore", "zeros", "ones", "smooth-zeros", "smooth-ones")
KINDS = ("auto", "binary", "multi-class", "multi-label")


@dataclass(frozen=True)
class ClassificationConfig(WithTraining):
    """Classification: probabilities of findings or classes for a radiograph or a volume."""

    labels: str = setting(
        "", 'Columns of the catalogue, such as "Pneumonia" or "Effusion,Edema"; "!No Finding" turns one round, '
        '"Abnormal=Mass|Nodule" joins several; a column of text has a class per value',
    )  # fmt: skip
    kind: str = setting("auto", "What the labels are; auto: as the columns show", choices=KINDS, advanced=True)
    uncertain: str = setting(
        "ignore", "What -1 stands for: nothing, 0, 1, U(0, 0.3) or U(0.55, 0.85)", choices=UNCERTAIN, advanced=True
    )
    form: str = setting(
        "auto", "What the network sees: volumes (3d) or radiographs (2d)", choices=("auto", "3d", "2d"), advanced=True
    )
    network: str = setting(
        "auto", "Architecture; auto: that of the weights, else the encoder of Models Genesis in 3D and Swin in 2D",
        choices=("auto", "unet3d", "swin", "cnn"),
    )  # fmt: skip
    cnn: str = setting(
        "resnet18", "Convolutional network of radiographs from scratch, by timm's name: resnet50, densenet121, convnext_tiny …",
        advanced=True,
    )  # fmt: skip
    pixels: int = setting(
        224, "Sides of the radiographs that a convolutional network sees", unit="pixels", minimum=32, maximum=1024,
        advanced=True,
    )  # fmt: skip
    base_width: int = setting(
        32, "Channels of the first layer of an encoder from scratch (32 in the paper)", minimum=4, maximum=128
    )
    backbone: str = setting("swin_tiny", "Swin transformer from scratch", choices=tuple(BACKBONES))
    crop: tuple[int, int, int] = setting(
        (64, 64, 32), "Size to which volumes are brought, along i, j, k; multiples of 8", unit="voxels",
        minimum=16, maximum=512, advanced=True,
    )  # fmt: skip
    augmentation: str = setting(
        "light", "light: intensity and noise, small shifts; strong: rotation, scale and mirroring too",
        choices=("none", "light", "strong"), advanced=True,
    )  # fmt: skip
    balance: str = setting(
        "none", "sampler: classes are drawn alike; weights: positives count as many times more as they are rarer than negatives (100 at "
        "most); inverse-frequency: positives and negatives, or classes, by the inverse of their share (10 at most)",
        choices=("none", "sampler", "weights", "inverse-frequency"), advanced=True,
    )  # fmt: skip
    loss: str = setting(
        "cross-entropy", "focal: what is nearly right already counts less", choices=("cross-entropy", "focal"), advanced=True
    )  # fmt: skip
    focus: float = setting(
        2.0, "Focal loss: power of the distance to the target (gamma)", minimum=0.1, maximum=10.0, advanced=True
    )
    mixup: float = setting(
        0.0, "Blend each training image with another of its batch, the share drawn from Beta(mixup, mixup); 0: none, 0.2 is usual",
        minimum=0.0, maximum=10.0, advanced=True,
    )  # fmt: skip
    test_time: str = setting(
        "ten-crop",
        "What is averaged over when images are classified",
        choices=("none", "mirror", "ten-crop"),
        advanced=True,
    )
    threshold: str = setting(
        "youden", "How thresholds are chosen on validation", choices=("youden", "f1", "specificity"), advanced=True
    )
    specificity: float = setting(
        0.9, "Specificity at which sensitivity is reported, and which the threshold keeps", minimum=0.01, maximum=0.999,
        advanced=True,
    )  # fmt: skip
    groups: str = setting(
        "", 'Attributes whose groups the evaluation tells apart, such as "sex; view; age:40,60"', advanced=True
    )
    select: SelectionConfig = setting(SelectionConfig(), "Part of the training patients")
    transfer: TransferConfig = setting(TransferConfig(), "Weights to start from")
    geometry: WholeGeometryConfig = setting(WholeGeometryConfig(), "Orientation and spacing of volumes")
    normalisation: NormalisationConfig = setting(NormalisationConfig(), "Intensity normalisation")
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    def __post_init__(self) -> None:
        if any(side % 8 for side in self.crop):
            raise ConfigError(
                f"crop = {list(self.crop)}",
                "has a side that is not a multiple of 8",
                "Use multiples of 8, such as 64, 64, 32",
                code="not-a-multiple-of-eight",
            )
        if self.mixup and self.training.batch_size < 2:
            raise ConfigError(
                f"mixup = {self.mixup:g}",
                "has nothing to blend an image with in batches of 1",
                "Take a batch_size of 2 or more, or mixup 0",
                code="nothing-to-mix",
            )

    PRESETS: ClassVar[dict[str, dict]] = {
        "default": {
            "training": {"steps": 10_000, "batch_size": 32, "learning_rate": 5e-4, "weight_decay": 0.05, "warmup_steps": 500,
                         "validate_every": 500, "checkpoint_every": 500, "patience": 20, "workers": 4},
        },
        "laptop": {
            "base_width": 8, "backbone": "swin_micro",
            "training": {"steps": 200, "batch_size": 16, "learning_rate": 5e-4, "weight_decay": 0.05, "warmup_steps": 20,
                         "validate_every": 25, "checkpoint_every": 50},
        },
        "ark": {  # fine-tuning as in Foundation Ark: SGD 0.01, patience on the validation loss, ten-crop test
            "backbone": "swin_base",
            "training": {"steps": 100_000, "batch_size": 64, "optimizer": "sgd", "learning_rate": 0.01, "weight_decay": 0.0,
                         "warmup_steps": 500, "validate_every": 500, "checkpoint_every": 500, "patience": 20, "workers": 8},
        },
    }  # fmt: skip
