"""Settings of Models Genesis. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.errors import ConfigError
from medssl.core.schema import setting
from medssl.images.geometry_config import GeometryConfig
from medssl.images.intensity.config import NormalisationConfig
from medssl.training.config import TrainingConfig, WithTraining

EPOCH, TWO_FOLDS = (
    2_370,
    5_700,
)  # of the release: steps of an epoch (LUNA16 folds 0-4, 32 cubes a scan, batches of 6); cubes


@dataclass(frozen=True)
class GenesisConfig(WithTraining):
    """Models Genesis (Zhou et al., Medical Image Analysis 67, 2021): restore a distorted 3D sub-volume."""

    fidelity: str = setting(
        "paper", "paper: as described; released: as the authors' code and weights behave", choices=("paper", "released")
    )
    base_width: int = setting(
        32, "Channels of the first layer (32 in the paper; 8 or 16 without a GPU)", minimum=4, maximum=128
    )
    cube: tuple[int, int, int] = setting(
        (64, 64, 32),
        "Sub-volume size along i, j, k; multiples of 8",
        unit="voxels",
        minimum=16,
        maximum=512,
        advanced=True,
    )
    sampler: str = setting(
        "body",
        "Which sub-volumes are kept: body rejects air, lung keeps mostly aerated lung",
        choices=("body", "lung", "uniform"),
    )
    flip_probability: float = setting(
        0.4, "Probability of each further flip, three at most", minimum=0.0, maximum=1.0, advanced=True
    )
    shuffle_probability: float = setting(0.5, "Probability of local shuffling", minimum=0.0, maximum=1.0, advanced=True)
    bezier_probability: float = setting(
        0.9, "Probability of a non-linear intensity curve", minimum=0.0, maximum=1.0, advanced=True
    )
    paint_probability: float = setting(0.9, "Probability of painting", minimum=0.0, maximum=1.0, advanced=True)
    outpaint_share: float = setting(
        0.8, "Share of painting that is out-painting", minimum=0.0, maximum=1.0, advanced=True
    )
    geometry: GeometryConfig = setting(GeometryConfig(), "Orientation and spacing of volumes")
    normalisation: NormalisationConfig = setting(NormalisationConfig(), "Intensity normalisation")
    training: TrainingConfig = setting(TrainingConfig(), "Training")

    def __post_init__(self) -> None:
        if any(side % 8 for side in self.cube):  # the network halves it three times
            raise ConfigError(
                f"cube = {list(self.cube)}",
                "has a side that is not a multiple of 8",
                "Use multiples of 8, such as 64, 64, 32",
                code="not-a-multiple-of-eight",
            )

    @property
    def sample_size(self) -> tuple[int, ...]:
        """Voxels of one sample along each axis."""
        return self.cube

    ONLY_WHILE: ClassVar[dict[str, str]] = {"outpaint_share": "paint_probability>0"}
    PRESETS: ClassVar[dict[str, dict]] = {
        "default": {"training": {"workers": 4}},
        "laptop": {
            "base_width": 8,
            "training": {
                "steps": 240,
                "batch_size": 4,
                "learning_rate": 1e-3,
                "warmup_steps": 20,
                "validate_every": 40,
                "validation_samples": 16,
                "checkpoint_every": 40,
            },
        },
        "released": {
            "fidelity": "released",
            "sampler": "lung",
            "training": {
                "steps": 1_000_000,
                "batch_size": 6,
                "optimizer": "sgd",
                "learning_rate": 1.0,
                "momentum": 0.9,
                "weight_decay": 0.0,
                "schedule": "step",
                "warmup_steps": 0,
                "decay_every": 40 * EPOCH,
                "clip_gradient": 0.0,
                "patience": 50,
                "validate_every": EPOCH,
                "validation_samples": TWO_FOLDS,
                "checkpoint_every": 500,
                "precision": "fp32",
                "workers": 4,
            },
        },
    }
