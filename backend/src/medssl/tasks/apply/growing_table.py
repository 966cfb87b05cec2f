"""A CSV table that grows row by row, and survives the end of its process at any moment."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from medssl.core.errors import InputError
from medssl.core.files import disk_errors, write_atomic
from medssl.core.tables import csv_lines, csv_reader

Row = dict[str, str]
LINE_END = "\n"


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
        lines = list(csv_reader(io.BytesIO(data), errors="replace"))  # a file of another kind has other columns
        found = lines[0] if lines else self.columns
        if tuple(found) != self.columns:
            raise InputError(
                path,
                f"has the columns {', '.join(found)}",
                "Give another output, or overwrite",
                code="output-of-another-model",
            )
        self.rows: list[Row] = [dict(zip(self.columns, fields)) for fields in lines[1:] if fields]
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data or csv_lines([self.columns], LINE_END))

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows; they are on the disk when this returns. None is an empty field."""
        added = [{name: _text(row.get(name)) for name in self.columns} for row in rows]
        with disk_errors(self.path), self.path.open("ab") as file:
            file.write(csv_lines((row.values() for row in added), LINE_END))
        self.rows += added

    def arrange(self, keep: Callable[[Row], bool], order: Callable[[Row], Any]) -> None:
        """Leave out rows and sort the others, at once."""
        self.rows = sorted(filter(keep, self.rows), key=order)
        write_atomic(self.path, csv_lines([self.columns, *(row.values() for row in self.rows)], LINE_END))


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).splitlines())
