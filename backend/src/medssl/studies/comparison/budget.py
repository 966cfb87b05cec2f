"""How long the runs of a comparison train: equal steps, or equal passes over training sets of different size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.labels import LabelSpec, read_labels
from medssl.datasets.splits.split import split_three
from medssl.datasets.splits.subset import subset
from medssl.studies.comparison.config import SIZES, Study
from medssl.tasks.label_columns import label_columns

COUNTED_IN_STEPS = (
    "steps",
    "warmup_steps",
    "rate_every",
    "rate_ahead",
    "decay_every",
    "validate_every",
    "checkpoint_every",
)
Amounts = dict[str, dict[str, dict[str, int]]]  # value trained on -> size -> seed -> training images


def training_amounts(study: Study, specs: Mapping[str, DataSpec], home: Path) -> Amounts:
    """How many images each run trains on, unreadable ones counted.

    Args:
        specs: value of the attribute that arms train on ("": everybody) -> the table with its split.

    Raises:
        CatalogError: a size that the training set does not reach.
    """
    found: Amounts = {}
    for value, spec in specs.items():
        catalog = read_catalog(spec, home, channels=True)
        training = split_three(catalog, 0.2, 0.0, 0).training  # the table says the split
        labels = None
        if study.unit == "per_class":
            config = study.arms[0].config
            labels = read_labels(
                training, LabelSpec(label_columns(config["labels"]), config["kind"], config["uncertain"]), 0
            )
        asked: dict[float, dict[str, Any]] = {size: {SIZES[study.unit]: size} for size in study.sizes}
        found[value] = {
            f"{size:g}": {str(seed): len(subset(training, seed, labels=labels, **part)) for seed in study.seeds}
            for size, part in asked.items()
        }
    return found


def share_of(amounts: Amounts, value: str, size: float, seed: int) -> float:
    """How much a run trains on, as a share of what the largest run does; 1 where nothing was counted."""
    if not amounts:
        return 1.0
    largest = max(count for sizes in amounts.values() for seeds in sizes.values() for count in seeds.values())
    return amounts[value][f"{size:g}"][str(seed)] / largest


def shortened(config: dict[str, Any], share: float) -> dict[str, Any]:
    """A task's settings with a share of the steps, and of all that is counted in them: the passes over the images stay.

    Nothing falls below 1 that was not 0.
    """
    if share == 1.0:
        return config

    def part(steps: int) -> int:
        return max(round(steps * share), 1) if steps else 0

    training = {name: part(value) if name in COUNTED_IN_STEPS else value for name, value in config["training"].items()}
    transfer = {**config["transfer"], "freeze_steps": part(config["transfer"]["freeze_steps"])}
    return {**config, "training": training, "transfer": transfer}
