"""A training set as a table."""

from __future__ import annotations

import math
from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.core.files import split_choice
from medssl.core.tables import read_table
from medssl.datasets.entry import FRAMES, SPLIT_WORDS, Entry
from medssl.images.formats.image_files import stem

FOLDERS = {"image": ("images",), "mask": ("masks", "labels")}  # beside the table; file names may leave them out
OWN_COLUMNS = ("image", "patient", "split", "modality", "name", "mask")
Point = tuple[float, float, float]
POINT, FRAME = ("x", "y", "z"), "coordinates"


def read_csv(path: Path, modality: str = "") -> list[Entry]:
    """Read a catalogue; `modality` overrides the table's.

    Columns x, y and z name a place in the image that the row's labels are about, in mm (RAS, as Slicer shows them) or as the column
    `coordinates` says: RAS, LPS or voxel. Only then an image may have several rows.

    Raises:
        CatalogError: no table, a missing column, or a line (named by its number) that breaks a rule.
    """
    rows = _read_rows(path)
    known = list(rows[0][1] if rows else {})
    own = (*OWN_COLUMNS, *POINT, FRAME) if set(POINT) <= set(known) else OWN_COLUMNS
    extra = [name for name in known if name not in own]
    numeric = [name for name in extra if all(_is_number(row[name]) for _, row in rows)]
    numeric = [name for name in numeric if any(row[name] for _, row in rows)]
    entries: list[Entry] = []
    seen: dict[tuple[Path, Point | None], int] = {}
    for line, row in rows:
        image, split = _check_row(path, line, row)
        point, frame = _point(path, line, row) if own != OWN_COLUMNS else (None, "RAS")
        if (image, point) in seen:
            raise CatalogError(
                f"{path.name}, line {line}",
                f"repeats the image of line {seen[image, point]}",
                "List every image once",
                code="image-repeated",
            )
        seen[image, point] = line
        entries.append(
            Entry(
                image,
                row["patient"],
                split,
                modality or row.get("modality", ""),
                row.get("name") or stem(image),
                _find(path, line, row, "mask") if row.get("mask") else None,
                labels={name: float(row[name] or "nan") for name in numeric},
                attributes={name: row[name] for name in extra if name not in numeric},
                point=point,
                frame=frame,
            )
        )
    return entries


def _point(path: Path, line: int, row: dict[str, str]) -> tuple[Point, str]:
    try:
        x, y, z = (float(row[name]) for name in POINT)
    except ValueError:
        x = y = z = math.nan
    if not all(map(math.isfinite, (x, y, z))):
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


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line number, column -> text without blanks around it) of every line."""
    table = read_table(path, needed=("image", "patient"))
    rows = [{name: value.strip() for name, value in row.items()} for row in table.rows]
    return list(zip(table.lines, rows))


def _check_row(path: Path, line: int, row: dict[str, str]) -> tuple[Path, str]:
    where = f"{path.name}, line {line}"
    for name in ("image", "patient"):
        if not row[name]:
            raise CatalogError(
                where, f"has no {name}", "Fill the field: patients keep the splits apart", code="patient-missing"
            )
    image = _find(path, line, row, "image")
    split = row.get("split", "").lower()
    if split not in SPLIT_WORDS:
        raise CatalogError(f"{where}: split {split!r}", "is unknown", "Use train, val or test", code="split-unknown")
    return image, SPLIT_WORDS[split]


def _find(path: Path, line: int, row: dict[str, str], column: str) -> Path:
    """The file that a field names."""
    folders = [path.parent, *(path.parent / name for name in FOLDERS[column])]
    files = (folder / row[column] for folder in folders)
    file = next((file for file in files if split_choice(file)[0].exists()), None)
    if file is None:
        raise CatalogError(
            f"{path.name}, line {line}: {row[column]}",
            "does not exist",
            f"Give a full path or one relative to {path.parent}",
            code="file-not-found",
        )
    return file


def _is_number(text: str) -> bool:
    """An empty field is an unknown number."""
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
