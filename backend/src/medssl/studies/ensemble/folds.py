"""The folds of an ensemble, drawn once and written down: a table each, which the fold's job reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medssl.core.errors import CatalogError, be, counted
from medssl.core.protocol import DataSpec
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.entry import Entry
from medssl.datasets.splits.split import split_three
from medssl.datasets.splits.subset import subset
from medssl.studies.comparison.data import in_table, write_catalogue
from medssl.tasks.transfer_config import SelectionConfig


@dataclass(frozen=True)
class Folds:
    """What is in the tables.

    Attributes:
        images: of each fold, which validate its network.
        test: images of the test set, which no fold holds.
        notes: what the user should know of the split.
    """

    images: tuple[int, ...]
    test: int
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Folds, and networks."""
        return len(self.images)


def draw_folds(data: DataSpec, select: SelectionConfig, home: Path, folder: Path, seed: int) -> Folds:
    """Draw the folds by patient, and write results/folds.csv and a table for each; the test set is that of a fine-tuning.

    Raises:
        CatalogError: fewer patients than folds, or a catalogue that cannot be split.
    """
    catalog = read_catalog(data, home, channels=True)
    split = split_three(catalog, data.validation_fraction, data.test_fraction, seed)
    learnt = {id(entry) for part in (split.training, split.validation) for entry in part}
    pool = Catalog(tuple(entry for entry in catalog if id(entry) in learnt))
    pool = subset(pool, select.seed, select.fraction, select.patients, select.per_class)
    patients = pool.patients
    if len(patients) < data.folds:
        raise CatalogError(
            counted(len(patients), "patient"),
            f"{be(len(patients))} fewer than {data.folds} folds",
            "Take fewer folds, or label more patients",
            code="too-few-patients",
        )
    order = np.random.default_rng([seed, len(patients)]).permutation(patients).tolist()
    fold_of = {patient: place % data.folds for place, patient in enumerate(order)}
    (folder / "results").mkdir(parents=True, exist_ok=True)
    for fold in range(data.folds):
        validation = [entry for entry in pool if fold_of[entry.patient] == fold]
        training = [entry for entry in pool if fold_of[entry.patient] != fold]
        parts: dict[str, Iterable[Entry]] = {"training": training, "validation": validation, "test": split.test}
        write_catalogue(parts, folder / table_of(fold))
    rows = [[str(e.image.absolute()), e.patient, fold_of[e.patient] + 1] for e in pool]
    rows += [[str(e.image.absolute()), e.patient, "test"] for e in split.test]
    write_table(rows, folder / "results" / "folds.csv", ("image", "patient", "fold"), line_end="\n")
    counts = [sum(fold_of[entry.patient] == fold for entry in pool) for fold in range(data.folds)]
    drawn = tuple(note for note in split.notes if " test images" in note)
    return Folds(tuple(counts), len(split.test), (*drawn, *catalog.remarks()))


def data_of(data: DataSpec, fold: int, folder: Path) -> DataSpec:
    """The data of one fold's job."""
    return in_table(data, folder / table_of(fold))


def table_of(fold: int) -> str:
    """The table of a fold, below the job's folder."""
    return f"results/fold-{fold + 1}.csv"


def sha256_of_table(fold: int, folder: Path) -> str:
    """The hash of a fold's table."""
    return hashlib.sha256((folder / table_of(fold)).read_bytes()).hexdigest()
