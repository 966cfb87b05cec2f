"""Which images a training learnt from, was chosen by and tested on: a table in its job folder, and the truth for later ones.

Images that a pretraining saw without labels stand in a file of its own: nobody is tested against them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medssl.core.files import read_json, write_json
from medssl.core.home import in_home
from medssl.core.run import Run
from medssl.core.tables import read_table, write_table

SPLIT, BEGUN = "results/split.csv", "results/begun.json"
WHICH = "which"  # column: of several images in one file, the one
COLUMNS = ("image", "name", "patient", "split", "mask", "mask_sha256")
EARLIER = {
    "validation": "results/validation_cases.csv",
    "test": "results/cases.csv",
}  # what earlier segmentations left of it


@dataclass(frozen=True)
class Begun:
    """How a training began.

    Attributes:
        rows: an image each, in the order of its parts; see `COLUMNS`.
        kind, classes: of a classification's labels; "" and () otherwise, and in jobs of earlier versions.
        notes: on the split.
        about: on catalogue and labels, and on what was left out.
    """

    rows: tuple[dict[str, str], ...]
    kind: str = ""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    about: tuple[str, ...] = ()


def write_split(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table into a job folder; a row per image with `COLUMNS`, which a catalogue has too, and `WHICH`."""
    write_table([{WHICH: "", **row} for row in rows], folder / SPLIT, (*COLUMNS, WHICH))


def write_begun(folder: Path, begun: Begun, labelled: bool = True) -> None:
    """Write into a job folder how its training begins: what `write_split` does, and a file of the rest.

    Args:
        folder: of the job.
        begun: how it begins.
        labelled: it learns with labels; otherwise the rows are in that file too, and no table is written.
    """
    about = asdict(begun)
    if labelled:
        del about["rows"]
    write_json(folder / BEGUN, about)
    if labelled:
        write_split(folder, begun.rows)


def begun_with(run: Run) -> Begun | None:
    """How a job began that goes on from a checkpoint; None where it begins, or recorded nothing."""
    if not run.resume:
        return None
    about = read_json(run.folder / BEGUN) if (run.folder / BEGUN).is_file() else {}
    rows = _recorded(run.folder, run.home) or _here(about.get("rows", ()), run.home)
    if not rows:
        return None
    said = {name: tuple(about.get(name, ())) for name in ("classes", "notes", "about")}
    return Begun(tuple(rows), about.get("kind", ""), **said)


def read_split(folder: Path, home: Path | None = None) -> list[dict[str, str]]:
    """The rows of a job folder's table; of an earlier segmentation those that its tables of cases name; [] where there are none.

    Paths are as they were written, or as they are in `home`, see `in_home`.
    """
    if recorded := _recorded(folder, home):
        return recorded
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for split, name in EARLIER.items():
        if (folder / name).is_file():
            for row in read_table(folder / name, ("image", "patient")).rows:
                known = {"image": row["image"], "patient": row["patient"], "split": split}
                rows[row["image"], split] = {**dict.fromkeys(COLUMNS, ""), **known}
    return list(rows.values())


def _recorded(folder: Path, home: Path | None = None) -> list[dict[str, str]]:
    rows = read_table(folder / SPLIT, COLUMNS).rows if (folder / SPLIT).is_file() else []
    return rows if home is None else _here(rows, home)


def _here(rows: Sequence[Mapping[str, str]], home: Path) -> list[dict[str, str]]:
    """Rows with their paths as they are in a home."""
    return [{**row, **{name: in_home(row[name], home) for name in ("image", "mask") if row[name]}} for row in rows]
