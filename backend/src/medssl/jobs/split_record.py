"""Which images a training learnt from, was chosen by and tested on: a table in its job folder, and the truth for later ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medssl.core.run import Run
from medssl.core.tables import read_table, write_table

SPLIT = "results/split.csv"
COLUMNS = ("image", "name", "patient", "split", "mask", "mask_sha256")
EARLIER = {
    "validation": "results/validation_cases.csv",
    "test": "results/cases.csv",
}  # what earlier segmentations left of it


def write_split(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table into a job folder; a row per image with `COLUMNS`, which a catalogue has too."""
    write_table(rows, folder / SPLIT, COLUMNS)


def begun_with(run: Run) -> list[dict[str, str]]:
    """The rows that a job wrote when it began, where it goes on from a checkpoint; [] where it begins."""
    return _recorded(run.folder) if run.resume else []


def read_split(folder: Path) -> list[dict[str, str]]:
    """The rows of a job folder's table; of an earlier segmentation those that its tables of cases name; [] where there are none."""
    if recorded := _recorded(folder):
        return recorded
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for split, name in EARLIER.items():
        if (folder / name).is_file():
            for row in read_table(folder / name, ("image", "patient")).rows:
                known = {"image": row["image"], "patient": row["patient"], "split": split}
                rows[row["image"], split] = {**dict.fromkeys(COLUMNS, ""), **known}
    return list(rows.values())


def _recorded(folder: Path) -> list[dict[str, str]]:
    return read_table(folder / SPLIT, COLUMNS).rows if (folder / SPLIT).is_file() else []
