"""Settings of segmentation. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.errors import ConfigError
from medssl.core.schema import setting
from medssl.images.geometry_config import PlannedGeometryConfig
from medssl.images.intensity.config import NormalisationConfig
from medssl.pretraining.peac.config import BACKBONES
from medssl.tasks.transfer_config import SelectionConfig, TransferConfig
from medssl.training.config import TrainingConfig, WithTraining

MONAI = ("basic_unet", "segresnet", "dynunet", "swin_unetr")
LEAST_CROP, LEAST_WIDTH = 16, 4
NNUNET = ("resenc", "plain_unet", "primus")


@dataclass(frozen=True)
class SegmentationConfig(WithTraining):
    """Segmentation: a label for every voxel of a volume or pixel of a radiograph."""

    form: str = setting(
        "auto", "What the network sees: volumes (3d), slices (2d), slices with their neighbours (2.5d); auto: 3d for "
        "volumes, 2d for radiographs", choices=("auto", "3d", "2.5d", "2d"),
    )  # fmt: skip
    network: str = setting(
        "auto", "Architecture; auto: that of the weights, else a residual U-Net as nnU-Net's (resenc), planned for the data",
        choices=("auto", "unet3d", "swin", *MONAI, *NNUNET),
    )  # fmt: skip
    base_width: int = setting(
        0,
        "Channels of the first layer of a U-Net from scratch (32 in the papers); 0: as many as the device can train",
        minimum=0,
        maximum=128,
        zero="planned",
    )
    backbone: str = setting("swin_tiny", "Swin transformer of a 2D network from scratch", choices=tuple(BACKBONES))
    crop: tuple[int, int, int] = setting(
        (0, 0, 0), "Sub-volume size along i, j, k; multiples of 8; 2D forms: i and j, Swin knows its own; 0: planned from the "
        "images and what the device can take", unit="voxels", minimum=0, maximum=512, advanced=True, zero="auto",
    )  # fmt: skip
    window: tuple[int, int, int] = setting(
        (0, 0, 0), "Size of the windows in which whole volumes are segmented, multiples of 8; 0: as the sub-volumes. Larger "
        "ones are faster where volumes are small", unit="voxels", minimum=0, maximum=512, advanced=True, zero="auto",
    )  # fmt: skip
    classes: str = setting(
        "",
        'What the label map\'s values mean, such as "1=Anterior,2=Posterior"; empty: as they are found',
        advanced=True,
    )
    loss: str = setting("dice-ce", "Loss", choices=("dice", "dice-ce", "dice-focal"), advanced=True)
    deep_supervision: bool = setting(True, "resenc and plain_unet learn at several resolutions at once", advanced=True)
    window_from_labels: bool = setting(
        True,
        "CT from scratch: the intensities inside the labels (0.5th to 99.5th percentile) become 0 and 1",
        advanced=True,
    )
    reestimate_norms: bool = setting(
        True, "Before each validation batch norms' statistics are estimated anew over training crops, where batches hold fewer "
        "than eight (Genesis U-Net)", advanced=True,
    )  # fmt: skip
    foreground_share: float = setting(
        0.5, "Share of sub-volumes centred on a labelled voxel", minimum=0.0, maximum=1.0, advanced=True
    )
    augmentation: str = setting(
        "light", "light: intensity and noise; strong: as nnU-Net trains, with rotation, scale, bending, blur, low resolution and "
        "mirroring (never of radiographs) too; moderate: strong without mirroring and with half the turns, for short trainings",
        choices=("none", "light", "moderate", "strong"), advanced=True,
    )  # fmt: skip
    overlap: float = setting(
        0.25, "Share of a window that its neighbour sees too, when whole images are segmented",
        minimum=0.0, maximum=0.9, advanced=True,
    )  # fmt: skip
    mirror: bool = setting(
        False, "Average over mirrored images when whole images are segmented (not of radiographs)", advanced=True
    )
    largest_component: bool = setting(False, "Keep only the largest connected part of each class", advanced=True)
    postprocessing: str = setting(
        "auto", "Changes of the label map after the network. auto: of each class only the largest part kept, small parts dropped "
        "or holes filled, where it improves the Dice of the validation images; none: nothing", choices=("none", "auto"),
        advanced=True,
    )  # fmt: skip
    tolerance: float = setting(
        1.0, "Surfaces closer than this agree (surface Dice)", unit="mm", minimum=0.0, maximum=100.0, advanced=True
    )
    groups: str = setting(
        "", 'Attributes whose groups the evaluation tells apart, such as "sex; view; age:40,60"', advanced=True
    )
    select: SelectionConfig = setting(SelectionConfig(), "Part of the training patients")
    transfer: TransferConfig = setting(TransferConfig(), "Weights to start from")
    geometry: PlannedGeometryConfig = setting(PlannedGeometryConfig(), "Orientation and spacing of volumes")
    normalisation: NormalisationConfig = setting(NormalisationConfig(), "Intensity normalisation")
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    def __post_init__(self) -> None:
        if any(self.crop) and min(self.crop) < LEAST_CROP:
            raise ConfigError(
                f"crop = {list(self.crop)}", f"has a side below {LEAST_CROP}",
                "Use sides from 16 on, or 0, 0, 0 to have all of them planned", code="setting-out-of-range",
            )  # fmt: skip
        if 0 < self.base_width < LEAST_WIDTH:
            raise ConfigError(
                f"base_width = {self.base_width}", f"is below {LEAST_WIDTH}", "Use 4 or more, or 0 to have it planned",
                code="setting-out-of-range",
            )  # fmt: skip
        for name, sides in (("crop", self.crop), ("window", self.window)):
            if any(side % 8 for side in sides):
                raise ConfigError(
                    f"{name} = {list(sides)}",
                    "has a side that is not a multiple of 8",
                    "Use multiples of 8, such as 64, 64, 32",
                    code="not-a-multiple-of-eight",
                )

    ONLY_WHILE: ClassVar[dict[str, str]] = {"mirror": "augmentation=strong"}  # others never saw a mirrored image
    PRESETS: ClassVar[dict[str, dict]] = {
        "default": {
            "augmentation": "strong",
            "training": {"steps": 10_000, "batch_size": 0, "learning_rate": 5e-4, "warmup_steps": 200, "workers": 4,
                         "validate_every": 500, "checkpoint_every": 500},
        },
        "sgd": {  # as nnU-Net trains (Isensee et al. 2021), for long trainings
            "augmentation": "strong",
            "training": {"steps": 250_000, "batch_size": 0, "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.99,
                         "nesterov": True, "weight_decay": 3e-5, "schedule": "poly", "rate_every": 250, "warmup_steps": 0,
                         "clip_gradient": 12.0, "workers": 4, "validate_every": 2_500, "checkpoint_every": 500},
        },
        "minutes": {  # of volumes on a processor: what learnt fastest there (docs/experiments.md)
            "network": "unet3d", "base_width": 8, "augmentation": "moderate", "geometry": {"spacing": "planned"},
            "training": {"steps": 1000, "batch_size": 0, "learning_rate": 3e-3, "warmup_steps": 50, "workers": 0,
                         "validate_every": 250, "checkpoint_every": 250},
        },
        "laptop": {
            "backbone": "swin_micro",
            "training": {"steps": 150, "batch_size": 0, "learning_rate": 1e-3, "warmup_steps": 10, "validate_every": 50,
                         "checkpoint_every": 50},
        },
    }  # fmt: skip
