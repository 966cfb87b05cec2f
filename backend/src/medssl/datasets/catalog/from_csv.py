"""A training set as a table."""

from __future__ import annotations

from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.core.files import split_choice
from medssl.core.tables import read_table
from medssl.datasets.entry import SPLIT_WORDS, Entry
from medssl.images.formats.image_files import stem

FOLDERS = {"image": ("images",), "mask": ("masks", "labels")}  # beside the table; file names may leave them out
OWN_COLUMNS = ("image", "patient", "split", "modality", "name", "mask")


def read_csv(path: Path, modality: str = "") -> list[Entry]:
    """Read a catalogue; `modality` overrides the table's.

    Raises:
        CatalogError: no table, a missing column, or a line (named by its number) that breaks a rule.
    """
    rows = _read_rows(path)
    extra = [name for name in (rows[0][1] if rows else {}) if name not in OWN_COLUMNS]
    numeric = [name for name in extra if all(_is_number(row[name]) for _, row in rows)]
    numeric = [name for name in numeric if any(row[name] for _, row in rows)]
    entries: list[Entry] = []
    seen: dict[Path, int] = {}
    for line, row in rows:
        image, split = _check_row(path, line, row)
        if image in seen:
            raise CatalogError(
                f"{path.name}, line {line}",
                f"repeats the image of line {seen[image]}",
                "List every image once",
                code="image-repeated",
            )
        seen[image] = line
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
            )
        )
    return entries


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
