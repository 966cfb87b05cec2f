"""Settings that the tasks share: how much of the labelled data, and how the weights one begins with are treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.errors import ConfigError
from medssl.core.schema import setting


@dataclass(frozen=True)
class SelectionConfig:
    """Which of the training patients are used; validation and test patients stay the same."""

    fraction: float = setting(
        1.0, "Share of the training patients that is used", minimum=0.0001, maximum=1.0, advanced=True
    )
    patients: int = setting(
        0,
        "Number of training patients that are used; 0: as the share says",
        minimum=0,
        maximum=10_000_000,
        advanced=True,
    )
    per_class: int = setting(
        0, "Few-shot: training patients of each class; 0: as the share says", minimum=0, maximum=1_000_000, advanced=True
    )  # fmt: skip
    seed: int = setting(0, "Seed of the choice", minimum=0, maximum=2**31 - 1, advanced=True)

    def __post_init__(self) -> None:
        if (self.patients > 0) + (self.per_class > 0) + (self.fraction < 1.0) > 1:
            raise ConfigError(
                f"select: fraction {self.fraction:g}, patients {self.patients}, per_class {self.per_class}",
                "sets more than one of the three",
                "Set one of the three",
                code="selection-ambiguous",
            )


@dataclass(frozen=True)
class TransferConfig:
    """How weights that were trained before go on learning."""

    ONLY_WHILE: ClassVar[dict[str, str]] = {"freeze_steps": "freeze=backbone"}

    layer_decay: float = setting(
        1.0, "Learning rate of each layer, as a share of the next one's towards the head; 1: all alike",
        minimum=0.1, maximum=1.0, advanced=True,
    )  # fmt: skip
    rescale: bool = setting(
        True, "Bring pretrained convolutions before a batch norm to the size of new ones: the answers stay, and they learn as "
        "fast (U-Nets only)", advanced=True,
    )  # fmt: skip
    freeze: str = setting(
        "none",
        "backbone: only the new head learns, for freeze_steps steps",
        choices=("none", "backbone"),
        advanced=True,
    )
    freeze_steps: int = setting(
        0, "Steps before a frozen backbone learns too; 0: it never does", unit="steps", minimum=0, maximum=100_000_000,
        advanced=True,
    )  # fmt: skip
