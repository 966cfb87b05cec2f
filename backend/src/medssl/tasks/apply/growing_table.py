"""A CSV table that grows row by row, and survives the end of its process at any moment."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from medssl.core.errors import InputError
from medssl.core.files import disk_errors, write_atomic

Row = dict[str, str]


class GrowingTable:
    """Rows of texts under fixed columns. A torn last line is no row; the next one replaces it.

    Args:
        path: read where it exists.
        columns: the header.

    Raises:
        InputError: the file has other columns.
        ResourceError: the folder cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, tuple(columns)
        data = path.read_bytes() if path.is_file() else b""
        data = data[: data.rfind(b"\n") + 1]
        text = data.decode(errors="replace")  # a file of another kind is told by its columns
        self.rows: list[Row] = list(csv.DictReader(io.StringIO(text, newline="")))
        found = next(csv.reader(io.StringIO(text, newline="")), None)
        if found is not None and tuple(found) != self.columns:
            raise InputError(path, f"has the columns {', '.join(found)}", "Give another output, or overwrite")
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data or _lines([self.columns]))

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows; they are on the disk when this returns. None is an empty field."""
        added = [{name: _text(row.get(name)) for name in self.columns} for row in rows]
        with disk_errors(self.path), self.path.open("ab") as file:
            file.write(_lines(row.values() for row in added))
        self.rows += added

    def arrange(self, keep: Callable[[Row], bool], order: Callable[[Row], Any]) -> None:
        """Leave out rows and sort the others, at once."""
        self.rows = sorted(filter(keep, self.rows), key=order)
        write_atomic(self.path, _lines([self.columns, *(row.values() for row in self.rows)]))


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).splitlines())
