"""Settings of the dense contrastive embedding of volumes. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.errors import ConfigError
from medssl.core.schema import setting
from medssl.images.geometry_config import TaskGeometryConfig
from medssl.images.intensity.config import NormalisationConfig
from medssl.training.config import TrainingConfig, WithTraining


@dataclass(frozen=True)
class Anatomy3DConfig(WithTraining):
    """Dense contrastive anatomy embedding of volumes: a place of a CT or MR is more like itself under another affine map, brightness
    and noise than like any other place of the patient. Its models find places again: click to find, correspondence."""

    base_width: int = setting(32, "Channels of the U-Net's first layer (8 or 16 without a GPU)", minimum=4, maximum=128)
    dimension: int = setting(64, "Numbers of a descriptor", minimum=8, maximum=512, advanced=True)
    stride: int = setting(2, "Voxels of a cell's sides: 2, or 4 in half the time", minimum=2, maximum=4)
    crop: tuple[int, int, int] = setting(
        (96, 96, 96), "Sub-volume that views are taken from, along i, j, k", unit="voxels", minimum=16, maximum=512,
        advanced=True,
    )  # fmt: skip
    view: tuple[int, int, int] = setting(
        (64, 64, 64), "What the network sees of it at once, along i, j, k; multiples of 8", unit="voxels", minimum=16,
        maximum=512, advanced=True,
    )  # fmt: skip
    sampler: str = setting(
        "body",
        "Which sub-volumes are kept: body rejects air, uniform keeps all",
        choices=("body", "uniform"),
        advanced=True,
    )
    smallest_scale: float = setting(
        0.7, "Smallest side of what a view shows, over its own", minimum=0.2, maximum=2.0, advanced=True
    )
    largest_scale: float = setting(
        1.3, "Largest side of what a view shows, over its own", minimum=0.2, maximum=2.0, advanced=True
    )
    degrees: float = setting(
        20.0,
        "Largest rotation in the plane of every two axes",
        unit="degrees",
        minimum=0.0,
        maximum=180.0,
        advanced=True,
    )
    aspect: float = setting(
        0.1, "Largest share by which one side is stretched against another", minimum=0.0, maximum=0.5, advanced=True
    )
    curve_probability: float = setting(
        0.8, "Probability of a monotone intensity curve, for each view", minimum=0.0, maximum=1.0, advanced=True
    )
    box_probability: float = setting(
        0.5, "Probability of noise boxes, for each view", minimum=0.0, maximum=1.0, advanced=True
    )
    queries: int = setting(
        512, "Cells of each view that are looked for in the other", minimum=16, maximum=100_000, advanced=True
    )
    temperature: float = setting(0.1, "Temperature of the contrast", minimum=0.01, maximum=1.0, advanced=True)
    apart: float = setting(
        1.5, "Cells around the true place that are no negatives", unit="cells", minimum=0.5, maximum=16.0, advanced=True
    )
    negatives: str = setting(
        "volume",
        "Other places that a place is told apart from: those of the same view (image), or those of another sub-volume of the "
        "volume too (volume)",
        choices=("image", "volume"), advanced=True,
    )  # fmt: skip
    geometry: TaskGeometryConfig = setting(TaskGeometryConfig(), "Orientation and spacing of volumes")
    normalisation: NormalisationConfig = setting(NormalisationConfig(), "Intensity normalisation")
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    def __post_init__(self) -> None:
        if self.stride not in (2, 4):
            raise ConfigError(
                f"stride = {self.stride}", "must be 2 or 4", "2 is the finer", code="setting-not-a-choice"
            )
        if any(side % 8 for side in self.view):  # the network halves it three times
            raise ConfigError(
                f"view = {list(self.view)}", "has a side that is not a multiple of 8", "Use multiples of 8, such as 64, 64, 64",
                code="not-a-multiple-of-eight",
            )  # fmt: skip
        if self.smallest_scale > self.largest_scale:
            raise ConfigError(
                f"smallest_scale = {self.smallest_scale:g}", f"is above largest_scale = {self.largest_scale:g}",
                "Set the smallest below the largest", code="setting-out-of-range",
            )  # fmt: skip

    @property
    def sample_size(self) -> tuple[int, ...]:
        """Voxels of one sample along each axis."""
        return self.crop

    PRESETS: ClassVar[dict[str, dict]] = {
        "default": {"training": {"weight_decay": 0.05, "ema": 0.995, "workers": 4}},
        "laptop": {
            "base_width": 8,
            "crop": [48, 48, 48],
            "view": [32, 32, 32],
            "training": {
                "steps": 1200, "batch_size": 4, "weight_decay": 0.05, "ema": 0.99, "warmup_steps": 50, "validate_every": 100,
                "validation_samples": 32, "checkpoint_every": 100,
            },
        },
    }  # fmt: skip
