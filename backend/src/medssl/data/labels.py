"""What is known of each image, as targets that a classifier learns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medssl.errors import ConfigError

KINDS = ("auto", "binary", "multi-class", "multi-label")
SMOOTHED = {"smooth-ones": (0.55, 0.85), "smooth-zeros": (0.0, 0.3)}  # uniform, as the U-Ones/U-Zeros + LSR of CheXpert
UNCERTAIN = ("zeros", "ones", "ignore", *SMOOTHED)
MOST_CLASSES = 100
OTHERWISE = "no finding"  # what images are that have none of the classes


@dataclass(frozen=True)
class LabelSpec:
    """Which columns of a catalogue are the classes, and how they are read.

    A column is "Pneumonia" (1 yes, 0 no, -1 uncertain, empty unknown), "!No Finding" (turned round) or
    "Abnormal=Atelectasis|Effusion" (1 where any of them is 1). One column of other values ("diagnosis") is multi-class, a
    class for each of its values; several columns are multi-label.

    Raises:
        ConfigError: no columns, or an unknown kind or way with uncertain labels.
    """

    columns: tuple[str, ...]
    kind: str = "auto"
    uncertain: str = "ignore"

    def __post_init__(self) -> None:
        if not self.columns:
            raise ConfigError("labels", "name no column", "Write Pneumonia, or several separated by commas")
        for what, value, known in (("kind", self.kind, KINDS), ("uncertain", self.uncertain, UNCERTAIN)):
            if value not in known:
                raise ConfigError(f"{what} = {value!r}", "is unknown", f"Use one of {', '.join(known)}")


@dataclass(frozen=True, eq=False)
class Labels:
    """Targets of a catalogue's images: (N, C) float32, not a number where unknown; binary has C = 1, multi-class one-hot rows."""

    kind: str  # binary, multi-class, multi-label
    names: tuple[str, ...]
    targets: np.ndarray

    def members(self) -> dict[str, np.ndarray]:
        """Class -> which images (N,) show it; of binary and multi-label sets also those that show none."""
        shown = {name: column > 0.5 for name, column in zip(self.names, self.targets.T)}
        if self.kind != "multi-class":
            shown[OTHERWISE] = (self.targets < 0.5).all(axis=1)
        return shown

    def counts(self) -> dict[str, int]:
        """Class -> number of images, like `members`."""
        return {name: int(members.sum()) for name, members in self.members().items()}
