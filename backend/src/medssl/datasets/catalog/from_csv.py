"""A training set as a table."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.core.files import split_choice
from medssl.core.tables import check_repeated, read_table
from medssl.datasets.entry import FRAMES, SPLIT_WORDS, Entry
from medssl.images.formats.image_files import stem

FOLDERS = {"image": ("images",), "mask": ("masks", "labels")}  # beside the table; file names may leave them out
VIEW, INVERTED = "view_2d", "inverted"  # `Entry.view`: a column `view` says PA or AP, or frontal, of what is 2D anyway
OWN_COLUMNS = ("image", "patient", "split", "modality", "name", "mask", "dicom_files", "dicom_part", VIEW, INVERTED)
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
UNKNOWN = ("na", "n/a", "nan", "null", "none", "-", "?", ".")  # what programs write for no number
Point = tuple[float, float, float]
POINT, FRAME = ("x", "y", "z"), "coordinates"
CHANNEL = re.compile(r"(image|mask|modality)_(\d+)")  # of further channels
NUMBERED = tuple(f"{name}_{number}" for name in ("image", "mask", "modality") for number in range(1, 10))
FIRST = {
    "image_0": "image",
    "mask_0": "mask",
    "modality_0": "modality",
}  # the first channel's, as one may number it too


def read_csv(path: Path, modality: str = "") -> list[Entry]:
    """Read a catalogue; `modality` overrides the table's.

    Files that do not exist are left to the reading, which names them and goes on, unless all are missing.
    Columns image_1, image_2 ... name further channels, images that were registered with that of the column `image` (or image_0);
    each has columns modality_1 and mask_1 (its own label map, by which their overlap is checked) where these are known.
    Columns `inverted` (true or false) and `view_2d` are `Entry.inverted` and `Entry.view`.
    Columns x, y and z name a place in the image that the row's labels are about, in mm (RAS, as Slicer shows them) or as the column
    `coordinates` says: RAS, LPS or voxel. Only then an image may have several rows.

    Raises:
        CatalogError: no table, a missing column, or a line (named by its number) that breaks a rule.
    """
    rows, comma = _read_rows(path)
    known = [name for name in (rows[0][1] if rows else {}) if name]
    own = (*OWN_COLUMNS, *POINT, FRAME) if set(POINT) <= set(known) else OWN_COLUMNS
    channels = channel_columns(path, known)
    extra = [name for name in known if name not in own and not (channels and CHANNEL.fullmatch(name))]
    numeric = [name for name in extra if all(_number(row[name], comma) is not None for _, row in rows)]
    numeric = [name for name in numeric if any(row[name] and row[name].lower() not in UNKNOWN for _, row in rows)]
    entries: list[Entry] = []
    seen: dict[tuple[str, str, Point | None], int] = {}
    for line, row in rows:
        image, split = _check_row(path, line, row)
        part = row.get("dicom_part", "")
        point, frame = _point(path, line, row, comma) if own != OWN_COLUMNS else (None, "RAS")
        this = (os.path.normpath(image.absolute()), part, point)  # not resolved: two links may be meant as two images
        if this in seen:
            raise CatalogError(
                f"{path.name}, line {line}",
                f"repeats the image of line {seen[this]}",
                "List every image once",
                code="image-repeated",
            )
        seen[this] = line
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
                view=row.get(VIEW, ""),
                inverted=_inverted(path, line, row.get(INVERTED, "")),
                point=point,
                frame=frame,
                files=_files(path, line, row.get("dicom_files", "")),
                part=part,
                further=tuple(_channel(path, line, row, column) for column in channels),
            )
        )
    _check_some_exist(path, rows, entries)
    return entries


def channel_columns(path: Path, known: Sequence[str]) -> list[str]:
    """image_1, image_2 ... of a table, in their order.

    Raises:
        CatalogError: a number is left out.
    """
    numbers = sorted(int(name.removeprefix("image_")) for name in known if re.fullmatch(r"image_\d+", name))
    if numbers and numbers != list(range(1, len(numbers) + 1)):
        listed = ", ".join(f"image_{number}" for number in numbers)
        raise CatalogError(
            f"{path.name}, columns image, {listed}", "leave a number out", "Call them image, image_1, image_2 and so on",
            code="channel-columns",
        )  # fmt: skip
    return [f"image_{number}" for number in numbers]


def _channel(path: Path, line: int, row: dict[str, str], column: str) -> Entry:
    """A further channel of a row.

    Raises:
        CatalogError: the row has none.
    """
    if not row[column]:
        raise CatalogError(
            f"{path.name}, line {line}, patient {row['patient']}: column {column}", "is empty, and every row needs each channel",
            "Fill the field, or leave the row out", code="channel-missing",
        )  # fmt: skip
    number = column.removeprefix("image")
    image, mask = _find(path, row, column), f"mask{number}"
    name = row.get("name") or stem(_find(path, row, "image"))
    return Entry(
        image, row["patient"], modality=row.get(f"modality{number}", ""), name=name,
        mask=_find(path, row, mask) if row.get(mask) else None,
    )  # fmt: skip


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


def _inverted(path: Path, line: int, text: str) -> bool:
    if text.lower() not in TRUTH:
        raise CatalogError(
            f"{path.name}, line {line}: {INVERTED} {text!r}",
            "is unknown",
            "Use true or false",
            code="inverted-not-boolean",
        )
    return TRUTH[text.lower()]


def _read_rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], bool]:
    """(line number, column -> text without blanks around it) of every line; and whether numbers may have decimal commas."""
    table = read_table(path, needed=("image", "patient"), known=(*OWN_COLUMNS, *NUMBERED), also=FIRST)
    check_repeated(path, table.columns)
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
    folders = [path.parent, *(path.parent / name for name in FOLDERS[column.partition("_")[0]])]
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
