"""Parts of a dataset that a training learns from and is measured on: images with targets, for one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError
from medssl.datasets.spec.tabular_dataset import TabularDataset, hard_targets, split_dataset, training_targets


@dataclass(frozen=True, eq=False)
class SetPart:
    """The training or validation images of a dataset.

    Attributes:
        name: of the set and of its head.
        kind: binary, multi-label, multi-class.
        classes: their names.
        images: paths.
        targets: (N, C) float32, NaN where there is nothing to learn or to measure.
        inverted: high values are dark.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    images: list[str]
    targets: np.ndarray
    inverted: bool = False

    def head(self) -> dict[str, Any]:
        """The set's head, as the network describes it."""
        return {"name": self.name, "kind": self.kind, "classes": list(self.classes)}


def set_parts(dataset: TabularDataset, validation_fraction: float, seed: int) -> tuple[SetPart, SetPart]:
    """The training and the validation images of a set; smoothed labels are drawn by `seed`, the split by a fixed seed.

    Raises:
        CatalogError: see `split_dataset`; or training or validation images whose labels are all unknown.
    """
    training, validation, _ = split_dataset(dataset, validation_fraction, seed=0)
    learnt, measured = training_targets(dataset, seed), hard_targets(dataset)
    for what, numbers, targets in (("training", training, learnt), ("validation", validation, measured)):
        if not np.isfinite(targets[numbers]).any():
            raise CatalogError(
                f"set {dataset.name}",
                f"has no known label in its {what} images",
                "Check its label columns and policies (uncertain, missing)",
            )

    def part(numbers: np.ndarray, targets: np.ndarray) -> SetPart:
        images = [dataset.images[n] for n in numbers]
        return SetPart(dataset.name, dataset.kind, dataset.classes, images, targets[numbers], dataset.inverted)

    return part(training, learnt), part(validation, measured)
