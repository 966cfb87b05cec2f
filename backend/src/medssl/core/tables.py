"""CSV tables: the one reader, of what spreadsheets write, and the one writer (UTF-8, commas)."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from medssl.core.errors import CatalogError, NotFoundError
from medssl.core.files import write_atomic

CRLF = "\r\n"  # between lines, as RFC 4180 has it
DELIMITERS = (",", ";", "\t")
LARGEST_FIELD = 2**31 - 1  # characters; csv's own limit is 131 072
LATIN_1 = "medssl-latin-1"  # name of the way with bytes that are no UTF-8
FORMULA = re.compile(r"'*[=+\-@\t\r].")  # what a spreadsheet computes instead of showing it
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)
UNREADABLE = (UnicodeDecodeError, csv.Error)  # what a file that is no CSV in UTF-8 raises


@dataclass(frozen=True)
class Table:
    """A table in memory: `lines` are where the rows end in the file, for messages."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    lines: list[int]
    delimiter: str = ","


class Lines(Protocol):
    """Fields of a file's lines, one after the other."""

    @property
    def line_num(self) -> int:
        """The line of the file that was read last."""

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def read_table(
    path: Path, needed: Sequence[str] = (), known: Sequence[str] = (), also: Mapping[str, str] | None = None
) -> Table:
    """Read a table whose first line names its columns, as spreadsheets write them.

    Fields are separated by commas, semicolons or tabs, whichever the first line has most of; the text is UTF-8 or UTF-16, or
    else Latin-1 (Windows-1252). Empty lines, lines of empty fields and separators at the end of lines are left out. Columns
    that are needed or known are found whatever their case.

    Args:
        path: of the file.
        needed: columns that must be there.
        known: further columns that may be written in another case.
        also: second name of a column -> its name, which it gets where no other column has that.

    Raises:
        NotFoundError: no such file.
        CatalogError: no CSV, a needed column that is missing or there twice, or a line (named) with fewer or more fields.
    """
    if not path.is_file():
        raise NotFoundError(path, "is not there", "Check the path", code="file-not-found")
    text = _decoded(path)
    delimiter, text = _delimiter(text)
    try:
        csv.field_size_limit(LARGEST_FIELD)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        written = [as_read(name.strip()) for name in next(reader, [])]
        numbered = [
            (reader.line_num, list(map(as_read, fields))) for fields in reader if any(field.strip() for field in fields)
        ]
    except csv.Error as error:
        raise _no_table(path, str(error)) from error
    columns = _columns(path, written, (*needed, *known, *(also or {})))
    columns = [name if (proper := (also or {}).get(name, name)) in columns else proper for name in columns]
    for name in needed:
        if name not in columns:
            rule = f"has no column {name!r} (it has: {', '.join(columns)})"
            remedy = "Name the columns in line 1, separated by commas, semicolons or tabs"
            raise CatalogError(path, rule, remedy, code="column-missing")
    rows = [dict(zip(columns, _fitted(path, line, fields, len(columns)))) for line, fields in numbered]
    return Table(tuple(columns), rows, [line for line, _ in numbered], delimiter)


def _decoded(path: Path) -> str:
    """The text of a file, by its byte order mark, else UTF-8, else UTF-16 where every other byte is 0, else Windows-1252."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _no_table(path, error.strerror or "unreadable") from error
    marks = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
    encodings = [name for mark, name in marks if data.startswith(mark)] or ["utf-8", *_unmarked(data)]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise _no_table(path, "its bytes are no text")


def _unmarked(data: bytes) -> list[str]:
    """Encodings without a byte order mark that these bytes may be in."""
    if data[1:2] == b"\0":
        return ["utf-16-le"]
    return ["utf-16-be"] if data[:1] == b"\0" else ["cp1252", "latin-1"]


def _delimiter(text: str) -> tuple[str, str]:
    """The separator that the first line has most of, outside quotes, and the text without Excel's line `sep=;`."""
    text = text.lstrip("\r\n")
    first, _, rest = text.partition("\n")
    stated = first.strip().lower()
    if stated.startswith("sep=") and len(stated) <= 5:
        return stated[4:] or "\t", rest
    unquoted = "".join(re.split("[\r\n]", text, maxsplit=1)[0].split('"')[::2])
    return max(DELIMITERS, key=unquoted.count), text


def _columns(path: Path, written: list[str], known: Sequence[str]) -> list[str]:
    """Names of the columns, known ones as they are known; without the empty ones that separators at the end make."""
    while written and not written[-1]:
        written.pop()
    proper = {name.casefold(): name for name in reversed(known)}
    columns = [name if name in known else proper.get(name.casefold(), name) for name in written]
    check_repeated(path, [name for name in columns if name in known])
    return columns


def check_repeated(path: Path, columns: Sequence[str]) -> None:
    """Refuse columns of one name, of which only the last would be read; unnamed ones do not count.

    Raises:
        CatalogError: names the first.
    """
    for name, count in Counter(columns).items():
        if name and count > 1:
            raise CatalogError(
                path, f"has several columns {name!r}", "Leave one of them, or rename the others", code="column-repeated"
            )


def _fitted(path: Path, line: int, fields: list[str], count: int) -> list[str]:
    """The fields of a line, without empty ones beyond the last column."""
    if len(fields) < count or any(field.strip() for field in fields[count:]):
        raise CatalogError(
            f"{path.name}, line {line}",
            f"does not have {count} fields",
            "Quote fields that hold separators",
            code="wrong-number-of-fields",
        )
    return fields[:count]


def _no_table(path: Path, reason: str) -> CatalogError:
    return CatalogError(
        path, f"is no CSV table ({reason})", "Save it as CSV (UTF-8), separated by commas", code="not-a-csv-table"
    )


def csv_reader(file: BinaryIO, delimiter: str = ",", errors: str = "strict", encoding: str = "utf-8-sig") -> Lines:
    """Read a file line by line, for tables that are large or torn; `errors` may be `LATIN_1`."""
    return _Lines(csv.reader(io.TextIOWrapper(file, encoding, errors, newline=""), delimiter=delimiter))


class _Lines:
    """Lines of a CSV reader with their fields as they were before they were written."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    @property
    def line_num(self) -> int:
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        fields = next(self._reader)
        return list(map(as_read, fields)) if any(field[:1] == "'" for field in fields) else fields


def encoding_of(start: bytes) -> str:
    """The encoding that the first bytes of a file tell, for a table that is not read at once."""
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8 as Windows-1252: what older spreadsheets wrote."""
    if not isinstance(error, UnicodeDecodeError) or not error.encoding.startswith("utf-8"):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(LATIN_1, _as_latin_1)


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
    csv.writer(text, lineterminator=line_end).writerows([as_written(field) for field in row] for row in rows)
    return text.getvalue().encode()


def as_written(field: Any) -> Any:
    """A field as it stands in the file: text that a spreadsheet would compute gets an apostrophe, which it shows as text.

    A file name such as `=HYPERLINK("http://...")` comes from whoever named the file. Numbers stay numbers.
    """
    return f"'{field}" if isinstance(field, str) and _is_formula(field) else field


def as_read(field: str) -> str:
    """The field that `as_written` was given."""
    return field[1:] if field[:1] == "'" and _is_formula(field[1:]) else field


def _is_formula(field: str) -> bool:
    return FORMULA.match(field) is not None and not NUMBER.fullmatch(field)


def _text(value: Any, digits: int | None) -> Any:
    return f"{value:.{digits}g}" if digits is not None and isinstance(value, float) else value
