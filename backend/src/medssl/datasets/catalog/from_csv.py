"""A training set as a table."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.core.files import split_choice
from medssl.core.tables import read_table
from medssl.datasets.entry import FRAMES, SPLIT_WORDS, Entry
from medssl.images.formats.image_files import stem

FOLDERS = {"image": ("images",), "mask": ("masks", "labels")}  # beside the table; file names may leave them out
OWN_COLUMNS = ("image", "patient", "split", "modality", "name", "mask", "dicom_files", "dicom_part")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
UNKNOWN = ("na", "n/a", "nan", "null", "none", "-", "?", ".")  # what programs write for no number
Point = tuple[float, float, float]
POINT, FRAME = ("x", "y", "z"), "coordinates"


def read_csv(path: Path, modality: str = "") -> list[Entry]:
    """Read a catalogue; `modality` overrides the table's.

    Files that do not exist are left to the reading, which names them and goes on, unless all are missing.
    Columns x, y and z name a place in the image that the row's labels are about, in mm (RAS, as Slicer shows them) or as the column
    `coordinates` says: RAS, LPS or voxel. Only then an image may have several rows.

    Raises:
        CatalogError: no table, a missing column, or a line (named by its number) that breaks a rule.
    """
    rows, comma = _read_rows(path)
    known = [name for name in (rows[0][1] if rows else {}) if name]
    own = (*OWN_COLUMNS, *POINT, FRAME) if set(POINT) <= set(known) else OWN_COLUMNS
    extra = [name for name in known if name not in own]
    numeric = [name for name in extra if all(_number(row[name], comma) is not None for _, row in rows)]
    numeric = [name for name in numeric if any(row[name] and row[name].lower() not in UNKNOWN for _, row in rows)]
    entries: list[Entry] = []
    seen: dict[tuple[Path, str, Point | None], int] = {}
    for line, row in rows:
        image, split = _check_row(path, line, row)
        part = row.get("dicom_part", "")
        point, frame = _point(path, line, row, comma) if own != OWN_COLUMNS else (None, "RAS")
        if (image, part, point) in seen:
            raise CatalogError(
                f"{path.name}, line {line}",
                f"repeats the image of line {seen[image, part, point]}",
                "List every image once",
                code="image-repeated",
            )
        seen[image, part, point] = line
        entries.append(
            Entry(
                image,
                row["patient"],
                split,
                modality or row.get("modality", ""),
                row.get("name") or stem(image),
                _find(path, row, "mask") if row.get("mask") else None,
                labels={name: _number(row[name], comma) or 0.0 for name in numeric},
                attributes={name: row[name] for name in extra if name not in numeric},
                point=point,
                frame=frame,
                files=_files(path, line, row.get("dicom_files", "")),
                part=part,
            )
        )
    _check_some_exist(path, rows, entries)
    return entries


def _point(path: Path, line: int, row: dict[str, str], comma: bool) -> tuple[Point, str]:
    x, y, z = (_number(row[name], comma) if row[name] else None for name in POINT)
    if x is None or y is None or z is None or not all(map(math.isfinite, (x, y, z))):
        raise CatalogError(
            f"{path.name}, line {line}",
            f"has no point: x, y, z = {', '.join(repr(row[name]) for name in POINT)}",
            "Give three numbers, or leave the row out",
            code="point-missing",
        )
    frame = {known.lower(): known for known in FRAMES}.get((row.get(FRAME) or "RAS").lower())
    if frame is None:
        raise CatalogError(
            f"{path.name}, line {line}: {FRAME} {row[FRAME]!r}",
            "is unknown",
            f"Use {', '.join(FRAMES)}",
            code="frame-unknown",
        )
    return (x, y, z), frame


def _read_rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], bool]:
    """(line number, column -> text without blanks around it) of every line; and whether numbers may have decimal commas."""
    table = read_table(path, needed=("image", "patient"), known=OWN_COLUMNS)
    rows = [{name: value.strip() for name, value in row.items()} for row in table.rows]
    return list(zip(table.lines, rows)), table.delimiter != ","


def _check_row(path: Path, line: int, row: dict[str, str]) -> tuple[Path, str]:
    where = f"{path.name}, line {line}"
    for name in ("image", "patient"):
        if not row[name]:
            raise CatalogError(
                where, f"has no {name}", "Fill the field: patients keep the splits apart", code="patient-missing"
            )
    image = _find(path, row, "image")
    split = row.get("split", "").lower()
    if split not in SPLIT_WORDS:
        raise CatalogError(f"{where}: split {split!r}", "is unknown", "Use train, val or test", code="split-unknown")
    return image, SPLIT_WORDS[split]


def _find(path: Path, row: dict[str, str], column: str) -> Path:
    """The file that a field names, with slashes of either kind; beside the table where it is in none of the folders."""
    folders = [path.parent, *(path.parent / name for name in FOLDERS[column])]
    written = dict.fromkeys((row[column], row[column].replace("\\", "/")))
    there = (folder / name for name in written for folder in folders if _exists(folder / name))
    return next(there, path.parent / row[column].replace("\\", "/"))


def _check_some_exist(path: Path, rows: list[tuple[int, dict[str, str]]], entries: list[Entry]) -> None:
    """A missing file is one bad image of several; where all are missing, the paths are meant otherwise."""
    for column in ("image", "mask"):
        named = [
            (line, row[column], getattr(entry, column)) for (line, row), entry in zip(rows, entries) if row.get(column)
        ]
        if named and not any(_exists(file) for _, _, file in named):
            line, written, _ = named[0]
            raise CatalogError(
                f"{path.name}, line {line}: {written}",
                "does not exist" if len(named) == 1 else f"does not exist, nor does the {column} of any other line",
                f"Give a full path or one relative to {path.parent}",
                code="file-not-found",
            )


def _exists(path: Path) -> bool:
    try:
        return split_choice(path)[0].exists()
    except (OSError, ValueError):  # a name that is too long, or no name
        return False


def _files(path: Path, line: int, text: str) -> tuple[Path, ...]:
    """The files of a DICOM series, as a JSON list."""
    try:
        listed = json.loads(text) if text else []
        return tuple(path.parent / str(name) for name in listed)
    except (ValueError, TypeError) as error:
        raise CatalogError(
            f"{path.name}, line {line}: dicom_files",
            "is no JSON list of files",
            "Leave it empty",
            code="files-not-listed",
        ) from error


def _number(text: str, comma: bool) -> float | None:
    """A number, with a decimal comma where the table's fields are not separated by commas; NaN of an empty field or `UNKNOWN`."""
    if comma and DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float("nan" if not text or text.lower() in UNKNOWN else text)
    except ValueError:
        return None
