"""What each use would train, choose and test on, drawn by the code that draws it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from medssl.core.errors import CatalogError, VolumeError
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.splits.split import ThreeSplit, split_by_patient, split_for_task

PRETRAINING, FINE_TUNING = "pretraining", "fine-tuning"
NO_SPLIT = ("one-patient", "too-few-patients", "too-few-folds")  # what a check notes instead of failing by it


@dataclass(frozen=True)
class PlannedSplit:
    """The parts of one use: name -> images; what to know of them; and why it is not possible, "" where it is."""

    use: str
    parts: dict[str, Catalog] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Images of each part; {} where this use is not possible."""
        return {name: len(part) for name, part in self.parts.items()}


def planned_splits(catalog: Catalog, data: DataSpec, seed: int = 0) -> list[PlannedSplit]:
    """The splits of a pretraining and of a fine-tuning with these options, and of each fold where there are folds.

    Args:
        catalog: the images that can be used.
        data: fractions and folds.
        seed: `training.seed` of the pretraining; the split of a fine-tuning does not depend on its own.

    Raises:
        CatalogError: a patient in two splits, or a split column that is wrong.
    """
    uses: dict[str, Callable[[], ThreeSplit]] = {
        PRETRAINING: lambda: _of_pretraining(catalog, data, seed),
        FINE_TUNING: lambda: split_for_task(catalog, data),
    }
    if data.folds:
        del uses[FINE_TUNING]
    for one in (replace(data, fold=fold) for fold in range(data.folds)):
        uses[f"{FINE_TUNING}, fold {one.fold}"] = partial(split_for_task, catalog, one)
    return [_planned(use, draw) for use, draw in uses.items()]


def _of_pretraining(catalog: Catalog, data: DataSpec, seed: int) -> ThreeSplit:
    split = split_by_patient(catalog, data.validation_fraction, seed)
    return ThreeSplit(split.training, split.validation, notes=(split.note,) if split.note else ())


def _planned(use: str, draw: Callable[[], ThreeSplit]) -> PlannedSplit:
    try:
        split = draw()
    except (CatalogError, VolumeError) as error:
        if error.code not in NO_SPLIT:
            raise
        return PlannedSplit(use, problem=str(error))
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    return PlannedSplit(use, {name: part for name, part in parts.items() if len(part)}, split.notes)
