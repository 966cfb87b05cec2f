"""A CSV table that grows row by row, and survives the end of its process at any moment."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        varies: a column that an earlier header may lack or have besides; its rows get empty fields, and it stays.

    Raises:
        InputError: the file has other columns.
        ResourceError: the folder cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str], varies: Callable[[str], bool] = lambda name: False) -> None:
        self.path = path
        data = path.read_bytes() if path.is_file() else b""
        data = data[: data.rfind(b"\n") + 1]
        lines = list(csv_reader(io.BytesIO(data), errors="replace"))  # a file of another kind has other columns
        found = lines[0] if lines else list(columns)
        self.columns = (*columns, *(name for name in found if name not in columns and varies(name)))
        if [name for name in found if not varies(name)] != [name for name in columns if not varies(name)]:
            raise InputError(
                path,
                f"has the columns {', '.join(found)}",
                "Give another output, or overwrite",
                code="output-of-another-model",
            )
        known = [dict(zip(found, fields)) for fields in lines[1:] if fields]
        self.rows: list[Row] = [{name: row.get(name, "") for name in self.columns} for row in known]
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        if data and tuple(found) == self.columns:
            write_atomic(path, data)
        else:
            self._write()

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows; they are on the disk when this returns. None is an empty field."""
        added = [{name: _text(row.get(name)) for name in self.columns} for row in rows]
        with disk_errors(self.path), self.path.open("ab") as file:
            file.write(csv_lines((row.values() for row in added), LINE_END))
        self.rows += added

    def arrange(
        self,
        keep: Callable[[Row], bool],
        order: Callable[[Row], Any],
        now: Callable[[Row], Mapping[str, Any]] = lambda row: {},
    ) -> None:
        """Leave out rows, sort the others and give them the fields that are other ones `now`, at once."""
        kept = sorted(filter(keep, self.rows), key=order)
        self.rows = [row | {name: _text(value) for name, value in now(row).items() if name in row} for row in kept]
        self._write()

    def _write(self) -> None:
        write_atomic(self.path, csv_lines([self.columns, *(row.values() for row in self.rows)], LINE_END))


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).splitlines())
