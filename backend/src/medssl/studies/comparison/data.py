"""The split of a study, drawn once and written down: every run of every arm reads the same table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import CatalogError, ConfigError
from medssl.core.protocol import DataSpec
from medssl.core.tables import read_table, write_table
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.catalog.from_csv import INVERTED, VIEW
from medssl.datasets.entry import Entry, attributes, number_text
from medssl.datasets.splits.split import folds, split_three
from medssl.evaluation.subgroups import group_by
from medssl.studies.comparison.budget import Amounts, training_amounts
from medssl.studies.comparison.config import PASSES, Study
from medssl.tasks.label_columns import label_columns, source_columns

ALL = ""  # the value of an arm that trains on everybody


@dataclass(frozen=True)
class StudyData:
    """Where the tables lie and what they hold.

    Attributes:
        files: value of the `train_on` attribute ("": everybody) -> table with a split column.
        counts: the same -> {"training": patients, "validation": patients, "test": patients, "test images": images}.
        amounts: training images of each run, where the budget is in passes.
    """

    files: dict[str, str]
    counts: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()
    amounts: Amounts = dataclasses.field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        """The values of the attribute that arms train on."""
        return tuple(value for value in self.files if value != ALL)

    def spec(self, data: DataSpec, value: str, folder: Path) -> DataSpec:
        """The data of one run."""
        return in_table(data, folder / self.files[value])

    def test_images(self, folder: Path) -> list[str]:
        """Paths of the test images, which are those of every run."""
        table = read_table(folder / next(iter(self.files.values())), ("image", "split"))
        return [row["image"] for row in table.rows if row["split"] == "test"]

    def sha256(self, value: str, folder: Path) -> str:
        """The hash of a table."""
        return hashlib.sha256((folder / self.files[value]).read_bytes()).hexdigest()


def in_table(data: DataSpec, table: Path) -> DataSpec:
    """The data as a table of `write_catalogue` holds them: it says the images, their channels, label maps and splits."""
    there = dataclasses.replace(data, path=str(table), volumes=(), sets=(), pattern="", channels=())
    return dataclasses.replace(there, masks="", exclude=(), folds=0, fold=0)


def data_from_json(tree: dict[str, Any]) -> StudyData:
    """Read a `StudyData`."""
    return StudyData(tree["files"], tree["counts"], tuple(tree["notes"]), tree.get("amounts", {}))


def fix_data(study: Study, data: DataSpec, home: Path, folder: Path) -> StudyData:
    """Split the catalogue and write `results/split.csv`, which all runs read.

    Raises:
        CatalogError: no test patients, or a catalogue that cannot be split.
        ConfigError, InputError: a size that the training set does not reach, or an attribute that is not there.
    """
    catalog = read_catalog(data, home, channels=True)
    if data.folds:
        split = folds(catalog, data.folds, study.split_seed)[data.fold]
    else:
        split = split_three(catalog, data.validation_fraction, data.test_fraction, study.split_seed)
    if not len(split.test):
        raise CatalogError(
            "data of the comparison", "has no test patients",
            "Mark some with test in a column split, or set a test fraction (--test-fraction 0.2)", code="no-test-patients")  # fmt: skip
    _check_groups(study, split.test)
    values = _values(study, split.training)
    (folder / "results").mkdir(parents=True, exist_ok=True)
    files, counts = {}, {}
    for number, value in enumerate(values):
        training, validation = (
            [e for e in part if value == ALL or _attribute(e, study.train_on) == value]
            for part in (split.training, split.validation)
        )
        files[value] = "results/split.csv" if value == ALL else f"results/split-{number + 1}.csv"
        counts[value] = _count(training, validation, split.test)
        _check(study, value, counts[value])
        parts: dict[str, Iterable[Entry]] = {"training": training, "validation": validation, "test": split.test}
        write_catalogue(parts, folder / files[value])
    found = StudyData(files, counts, (*split.notes, *catalog.remarks()))
    if study.budget != PASSES:
        return found
    specs = {value: found.spec(data, value, folder) for value in files}
    return dataclasses.replace(found, amounts=training_amounts(study, specs, home))


def check_columns(study: Study, data: DataSpec, home: Path) -> None:
    """Refuse groups and `train_on` that the catalogue has no column for, before a job is made.

    Raises:
        CatalogError: a catalogue that cannot be read. ConfigError, InputError: name the columns that there are.
    """
    catalog = read_catalog(dataclasses.replace(data, masks=""), home, channels=True)
    _check_groups(study, catalog)
    names = dict.fromkeys(name for entry in catalog for name in (*entry.attributes, *entry.labels))
    if study.train_on and study.train_on not in names:
        rule = f"is no column of the data (it has: {', '.join(names) or 'none'})"
        raise ConfigError(f"train_on: {study.train_on}", rule, "Name one of two values or more, such as sex")


def _values(study: Study, training: Catalog) -> list[str]:
    if not study.train_on:
        return [ALL]
    values = sorted({_attribute(entry, study.train_on) for entry in training} - {""})
    if len(values) < 2:
        raise ConfigError(
            f"train_on: {study.train_on}", f"has {len(values)} value(s) in the training set",
            "Name a column of the catalogue with two values or more, such as sex",
        )  # fmt: skip
    return values


def _attribute(entry: Entry, name: str) -> str:
    if name in entry.labels and not math.isnan(entry.labels[name]):
        return number_text(entry.labels[name])
    return entry.attributes.get(name, "")


def _check_groups(study: Study, test: Catalog) -> None:
    """Checked before the first run, not by the report after the last."""
    labels = str(study.config.get("labels", ""))
    columns = (
        source_columns(label_columns(labels)) if labels else ()
    )  # the runs' tables do not hold these as attributes
    names = dict.fromkeys(n for entry in test for n in (*entry.attributes, *entry.labels) if n not in columns)
    for asked in study.groups:
        group_by(asked, {name: [_attribute(entry, name) for entry in test] for name in names})


def _count(training: Iterable[Entry], validation: Iterable[Entry], test: Iterable[Entry]) -> dict[str, int]:
    parts = {"training": list(training), "validation": list(validation), "test": list(test)}
    patients = {name: len({entry.patient for entry in part}) for name, part in parts.items()}
    return {**patients, **{f"{name} images": len(part) for name, part in parts.items()}}


def _check(study: Study, value: str, counts: dict[str, int]) -> None:
    where = f" with {study.train_on} = {value}" if value else ""
    for part in ("training", "validation"):
        if not counts[part]:
            raise CatalogError(
                f"{part} set{where}", "is empty", "Take another attribute or another split", code="split-empty"
            )
    if study.unit == "patients" and max(study.sizes) > counts["training"]:
        raise ConfigError(
            f"patients: {max(study.sizes):g}", f"are more than the {counts['training']} training patients{where}",
            f"Ask for {counts['training']} at most", code="size-above-training-set",
        )  # fmt: skip


def _channel_columns(count: int) -> dict[str, Any]:
    """Columns of further channels, each with its cell of an entry."""
    columns: dict[str, Any] = {}
    for number in range(1, count + 1):
        columns[f"image_{number}"] = lambda e, n=number - 1: str(e.further[n].image.absolute())
        columns[f"modality_{number}"] = lambda e, n=number - 1: e.further[n].modality
        columns[f"mask_{number}"] = lambda e, n=number - 1: (
            str(e.further[n].mask.absolute()) if e.further[n].mask else ""
        )
    return columns


def write_catalogue(parts: Mapping[str, Iterable[Entry]], path: Path) -> None:
    """Write a table of images with a column split, whose parts are named so; nothing that the entries know is lost."""
    rows = [(split, entry) for split, entries in parts.items() for entry in entries]
    entries = [entry for _, entry in rows]
    labels = list(dict.fromkeys(name for entry in entries for name in entry.labels))
    texts = list(dict.fromkeys(name for entry in entries for name in entry.attributes if name not in labels))
    own: dict[str, Any] = {
        "modality": lambda e: e.modality,
        "mask": lambda e: "" if e.mask is None else str(e.mask.absolute()),
        **_channel_columns(max((len(entry.further) for entry in entries), default=0)),
        "dicom_files": lambda e: json.dumps([str(file.absolute()) for file in e.files]) if e.files else "",
        "dicom_part": lambda e: e.part,
        **{name: lambda e, n=n: f"{e.point[n]:.12g}" if e.point else "" for n, name in enumerate("xyz")},
        "coordinates": lambda e: e.frame if e.point else "",
        VIEW: lambda e: e.view,
        INVERTED: lambda e: "true" if e.inverted else "",
    }
    kept = [name for name, get in own.items() if any(get(entry) for entry in entries)]
    extra = [name for name in (*labels, *texts) if name not in kept]
    lines = []
    for split, entry in rows:
        known = attributes(entry)
        cells = [own[name](entry) for name in kept] + [known.get(name, "") for name in extra]
        lines.append([str(entry.image.absolute()), entry.patient, entry.name, split, *cells])
    write_table(lines, path, ("image", "patient", "name", "split", *kept, *extra), line_end="\n")
