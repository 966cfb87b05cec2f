"""CSV tables: the one reader and the one writer. UTF-8, with a byte order mark or without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from medssl.core.errors import CatalogError, NotFoundError
from medssl.core.files import write_atomic

CRLF = "\r\n"  # between lines, as RFC 4180 has it
UNREADABLE = (UnicodeDecodeError, csv.Error)  # what a file that is no CSV in UTF-8 raises


@dataclass(frozen=True)
class Table:
    """A table in memory: `lines` are where the rows end in the file, for messages."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    lines: list[int]


class Lines(Protocol):
    """Fields of a file's lines, one after the other."""

    @property
    def line_num(self) -> int:
        """The line of the file that was read last."""

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def read_table(path: Path, needed: Sequence[str] = ()) -> Table:
    """Read a table whose first line names its columns; empty lines are left out.

    Raises:
        NotFoundError: no such file.
        CatalogError: no CSV in UTF-8, a needed column that is missing, or a line (named) with fewer or more fields.
    """
    if not path.is_file():
        raise NotFoundError(path, "is not there", "Check the path", code="file-not-found")
    try:
        with path.open("rb") as file:
            reader = csv_reader(file)
            columns: list[str] = next(reader, [])
            numbered = [(reader.line_num, fields) for fields in reader if fields]
    except UNREADABLE as error:
        raise CatalogError(
            path, "is no CSV table in UTF-8", "Save it as CSV (UTF-8), separated by commas", code="not-a-csv-table"
        ) from error
    for name in needed:
        if name not in columns:
            rule = f"has no column {name!r} (it has: {', '.join(columns)})"
            raise CatalogError(path, rule, "Name the columns in line 1, separated by commas", code="column-missing")
    for line, fields in numbered:
        if len(fields) != len(columns):
            rule = f"does not have {len(columns)} fields"
            raise CatalogError(
                f"{path.name}, line {line}", rule, "Quote fields that hold commas", code="wrong-number-of-fields"
            )
    rows = [dict(zip(columns, fields)) for _, fields in numbered]
    return Table(tuple(columns), rows, [line for line, _ in numbered])


def csv_reader(file: BinaryIO, delimiter: str = ",", errors: str = "strict") -> Lines:
    """Read a file line by line, for tables that are large or torn."""
    return csv.reader(io.TextIOWrapper(file, "utf-8-sig", errors, newline=""), delimiter=delimiter)


def write_table(
    rows: Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]],
    path: Path,
    columns: Sequence[str] = (),
    *,
    line_end: str = CRLF,
    digits: int | None = None,
) -> None:
    """Write a table, whole or not at all; None and a missing field are empty.

    Args:
        rows: mappings, or fields in the order of `columns`.
        path: of the file.
        columns: those to write, in their order; by default all keys of mappings, in the order in which they occur.
        line_end: after each line.
        digits: significant ones of floats; None: as many as it takes to read the same number again.
    """
    names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
    fields = ([row.get(name) for name in names] if isinstance(row, Mapping) else row for row in rows)
    write_atomic(path, csv_lines([names, *([_text(value, digits) for value in row] for row in fields)], line_end))


def csv_lines(rows: Iterable[Iterable[Any]], line_end: str = CRLF) -> bytes:
    """Rows of fields as the bytes of a CSV file, for files that grow line by line."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(rows)
    return text.getvalue().encode()


def _text(value: Any, digits: int | None) -> Any:
    return f"{value:.{digits}g}" if digits is not None and isinstance(value, float) else value
