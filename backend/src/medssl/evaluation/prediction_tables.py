"""The tables that evaluation reads and writes: predictions of classifiers, cases of segmentations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError
from medssl.core.tables import read_table, write_table

LABEL, ATTRIBUTE = "label_", "attribute_"
OWN_COLUMNS = ("image", "patient", "name", "split")
NUMBERS = ("dice", "iou", "surface_dice", "hd95", "missed", "volume_ml", "reference_volume_ml")


@dataclass(frozen=True)
class Predictions:
    """Probabilities of N images for C classes, and what is true of them.

    `targets` is nan where unknown; `attributes` holds a text per image under each name.
    """

    images: tuple[str, ...]
    patients: tuple[str, ...]
    names: tuple[str, ...]  # of the classes
    probabilities: np.ndarray  # (N, C) in 0...1
    targets: np.ndarray  # (N, C)
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, chosen: np.ndarray) -> Predictions:
        """Some of the images, by number or mask."""
        numbers = np.arange(len(self))[chosen]

        def take(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[n] for n in numbers)

        attributes = {name: take(values) for name, values in self.attributes.items()}
        parts = self.probabilities[numbers], self.targets[numbers]
        return Predictions(take(self.images), take(self.patients), self.names, *parts, attributes)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write `image, patient, <class>..., label_<class>..., attribute_<name>...`; unknown labels are empty."""
    names, attributes = predictions.names, predictions.attributes
    header = [
        "image", "patient", *names, *(LABEL + name for name in names), *(ATTRIBUTE + name for name in attributes),
    ]  # fmt: skip
    rows = [
        [
            predictions.images[n],
            predictions.patients[n],
            *map(str, predictions.probabilities[n]),
            *(_short(value) for value in predictions.targets[n]),
            *(values[n] for values in attributes.values()),
        ]
        for n in range(len(predictions))
    ]
    write_table(rows, path, header)


def read_predictions(path: Path) -> Predictions:
    """Read a predictions table, also one made by hand.

    Classes are the columns that have a partner `label_<class>`; without any such column all that hold numbers. Every other
    column is an attribute, with or without the prefix. A label that is empty or -1 is unknown.

    Raises:
        CatalogError: no table, a missing column, no class, a field that is no number.
        NotFoundError: no such file.
    """
    table = read_table(path, ("image", "patient"))
    header, rows = table.columns, table.rows
    labels = [name.removeprefix(LABEL) for name in header if name.startswith(LABEL)]
    missing = [name for name in labels if name not in header]
    if missing:
        rule = f"has labels of {missing[0]!r} but no column of that name with probabilities"
        raise CatalogError(path, rule, "Add the column, or leave its labels out", code="column-missing")
    others = [
        name for name in header if name not in (*OWN_COLUMNS, *labels) and not name.startswith((LABEL, ATTRIBUTE))
    ]
    names = labels or [name for name in others if all(_is_number(row[name]) for row in rows)]
    if not names or not rows:
        raise CatalogError(
            path, "holds no predictions", "Give columns image, patient, <class>, label_<class>", code="no-predictions"
        )
    probabilities = np.array([[_number(path, row, name) for name in names] for row in rows])
    targets = np.array([[_label(path, row, name) if labels else np.nan for name in names] for row in rows])
    attributes = {
        name.removeprefix(ATTRIBUTE): tuple(row[name] for row in rows)
        for name in header
        if name.startswith(ATTRIBUTE) or (name in others and name not in names)
    }
    images, patients = (tuple(row[name] for row in rows) for name in ("image", "patient"))
    return Predictions(images, patients, tuple(names), probabilities, targets, attributes)


def write_cases(path: Path, cases: Sequence[Mapping[str, Any]]) -> None:
    """Write `image, patient, class, dice, iou, surface_dice, hd95, missed, volume_ml, reference_volume_ml, attribute_<name>...`.

    A case is a row of `segmentation.case_metrics` with `image`, `patient` and attributes; None becomes an empty field.
    """
    names = dict.fromkeys(name for row in cases for name in row if name.startswith(ATTRIBUTE))
    header = ["image", "patient", "class", *NUMBERS, *names]
    write_table(cases, path, header)


def read_cases(path: Path) -> list[dict[str, Any]]:
    """Read what `write_cases` wrote.

    Raises:
        CatalogError: no table, a missing column, a field that is no number.
        NotFoundError: no such file.
    """
    table = read_table(path, ("image", "patient", "class", "dice"))
    header, rows = table.columns, table.rows
    numeric = [name for name in NUMBERS if name in header]
    texts = [name for name in header if name not in numeric]
    cases: list[dict[str, Any]] = []
    for row in rows:
        numbers = {name: _number(path, row, name) for name in numeric}
        known = {name: None if np.isnan(value) else value for name, value in numbers.items()}
        cases.append({**{name: row[name] for name in texts}, **known})
    return cases


def is_cases(path: Path) -> bool:
    """Is this a table of cases, not of predictions?

    Raises:
        CatalogError: no table.
        NotFoundError: no such file.
    """
    return {"class", "dice"} <= set(read_table(path).columns)


def _number(path: Path, row: Mapping[str, str], name: str) -> float:
    """An empty field is an unknown number."""
    try:
        return float(row[name] or "nan")
    except ValueError as error:
        where = f"{path.name}, image {row['image']}: {name} {row[name]!r}"
        raise CatalogError(
            where, "is no number", "Correct it, or leave it empty where it is unknown", code="number-unreadable"
        ) from error


def _label(path: Path, row: Mapping[str, str], name: str) -> float:
    """0...1; -1, which says uncertain, is unknown too."""
    value = _number(path, row, LABEL + name)
    if value == -1:
        return float("nan")
    if not np.isnan(value) and not 0 <= value <= 1:
        where = f"{path.name}, image {row['image']}: {LABEL + name} {value:g}"
        raise CatalogError(
            where, "is neither 0 nor 1", "Leave it empty, or -1, where it is unknown", code="label-not-binary"
        )
    return value


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _short(value: float) -> str:
    return "" if np.isnan(value) else f"{value:g}"
