"""Stream of a dataset's tables: once from top to bottom, a few thousand rows at a time, only the columns that are asked for."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medssl.core.errors import CatalogError, closest_name
from medssl.core.tables import LATIN_1, UNREADABLE, csv_reader, encoding_of
from medssl.datasets.spec.rules import ColumnTemplate, TableRef, quoted
from medssl.datasets.spec.tabular_dataset import Codes

CHUNK = 8192  # rows
GLUE = "\x1f"  # between the fields of a key
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Chunk:
    """Some rows of one table as columns; `lines` are where they stand in the file (0: no table)."""

    ref: TableRef
    lines: Sequence[int]
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, n: int) -> str:
        """The row for an error: "train.csv, line 12"."""
        return f"{self.ref.file}, line {self.lines[n]}" if self.lines[n] else "images"

    def take(self, rows: Sequence[int]) -> Chunk:
        """Only these rows."""
        columns = {name: [values[n] for n in rows] for name, values in self.columns.items()}
        return Chunk(self.ref, [self.lines[n] for n in rows], columns)


@dataclass
class Matches:
    """How many rows were looked up in a joined table, and how many are not in it."""

    rows: int = 0
    lost: int = 0
    first: str = ""  # row that is not in it


@dataclass
class Tables:
    """The tables of a dataset spec: rows, to which the tables with a key add columns.

    Raises:
        CatalogError: a table that is not there, is no CSV, has two columns of one name, or lacks its key.
    """

    root: Path
    refs: Sequence[TableRef]
    headers: dict[str, list[str]] = field(init=False)
    matches: dict[str, Matches] = field(init=False, default_factory=dict)  # of each joined table

    def __post_init__(self) -> None:
        self.refs = [present(self.root, ref) for ref in self.refs]
        self.headers = {ref.file: header(self.root, ref) for ref in self.refs}
        for ref in self.joins:
            for name in ref.key:
                find_column((name,), self.headers[ref.file], ref.file)

    @property
    def joins(self) -> list[TableRef]:
        """The tables that add columns."""
        return [ref for ref in self.refs if ref.key]

    @property
    def rows(self) -> list[TableRef]:
        """The tables that add images."""
        return [ref for ref in self.refs if not ref.key]

    def known(self, ref: TableRef) -> list[str]:
        """All columns that the rows of a table have."""
        return list(
            dict.fromkeys((*self.headers[ref.file], *(n for one in self.joins for n in self.headers[one.file])))
        )

    def column(self, place: ColumnTemplate, ref: TableRef) -> str:
        """The column of a place in the rows of a table. Raises CatalogError."""
        names = ref.file if not self.joins else f"{ref.file} and what is joined to it"
        return find_column(place.columns, self.known(ref), names)

    def chunks(self, ref: TableRef, wanted: Sequence[str], progress: Progress) -> Iterator[Chunk]:
        """The rows of a table with the wanted columns, joined ones among them."""
        own = self.headers[ref.file]
        joined = [(one, [n for n in wanted if n not in own and n in self.headers[one.file]]) for one in self.joins]
        keyed = [
            _Keyed(self.root, one, names, progress, self.matches.setdefault(one.file, Matches()))
            for one, names in joined
            if names
        ]
        keys = [name for one in keyed for name in one.ref.key]
        for name in keys:
            find_column((name,), own, ref.file)
        columns = list(dict.fromkeys((*(name for name in wanted if name in own), *keys)))
        for chunk in stream(self.root, ref, columns, progress):
            for one in keyed:
                chunk.columns.update(one.of(chunk))
            yield chunk

    def check_joins(self) -> list[dict[str, str]]:
        """Warnings {value, rule, remedy} of rows that a joined table lacks; asked when all rows were read.

        Raises:
            CatalogError: it lacks all of them: their empty fields are no labels.
        """
        warnings = []
        for ref in self.joins:
            found = self.matches.get(ref.file, Matches())
            remedy = f"Check the key {', '.join(ref.key)}: both tables must write it alike"
            if found.lost and found.lost == found.rows:
                raise CatalogError(
                    found.first, f"is not in {ref.file}, and none of {found.rows} rows is", remedy,
                    code="join-without-match",
                )  # fmt: skip
            if found.lost:
                rule = f"are not in {ref.file}, their fields are empty; the first: {found.first}"
                warnings.append({"value": f"{found.lost} of {found.rows} rows", "rule": rule, "remedy": remedy})
        return warnings


class _Keyed:
    """A table that is looked up by key; a row without its key gets empty fields, and is counted."""

    def __init__(self, root: Path, ref: TableRef, names: list[str], progress: Progress, matches: Matches) -> None:
        self.ref, self._matches = ref, matches
        self._row: dict[str, int] = {}
        self._columns = {name: Codes() for name in names}
        for chunk in stream(root, ref, [*ref.key, *names], progress):
            for n, key in enumerate(_keys(chunk, ref.key)):
                if key in self._row:
                    value = ", ".join(key.split(GLUE))
                    raise CatalogError(
                        f"{chunk.where(n)}: {value}", "is there twice in a joined table", "A key must name one row",
                        code="join-key-repeated",
                    )  # fmt: skip
                self._row[key] = len(self._row)
            for name, codes in self._columns.items():
                codes.extend(chunk.columns[name])

    def of(self, chunk: Chunk) -> dict[str, list[str]]:
        keys, matches = _keys(chunk, self.ref.key), self._matches
        rows = [self._row.get(key, -1) for key in keys]
        matches.rows, lost = matches.rows + len(rows), rows.count(-1)
        if lost and not matches.lost:
            n = rows.index(-1)
            matches.first = f"{chunk.where(n)}: {', '.join(self.ref.key)} = {', '.join(keys[n].split(GLUE))!r}"
        matches.lost += lost
        return {name: _taken(codes, rows) for name, codes in self._columns.items()}


def _taken(codes: Codes, rows: Sequence[int]) -> list[str]:
    values, numbers = codes.values, codes.codes
    return ["" if row < 0 else values[numbers[row]] for row in rows]


def find_column(names: Sequence[str], known: Sequence[str], where: str) -> str:
    """The first of the names that is known. Raises CatalogError, which lists the known ones."""
    for name in names:
        if name in known:
            return name
    wanted = " or ".join(map(quoted, names))
    raise CatalogError(
        where, f"has no column {wanted}{closest_name(names[0], known)}", f"Its columns: {', '.join(known)}",
        code="column-missing",
    )  # fmt: skip


def present(root: Path, ref: TableRef) -> TableRef:
    """The table under the first of its names that is there.

    Raises:
        CatalogError: under none.
    """
    for file in (ref.file, *ref.others):
        if any(path.is_file() for path in _plain_and_packed(root / file)):
            return replace(ref, file=file, others=())
    names = " or ".join(map(str, (root / ref.file, *ref.others)))
    remedy = "Check root and tables; they are read on the machine of the backend"
    raise CatalogError(f"table {names}", "is not there", remedy, code="file-not-found")


def table_path(root: Path, ref: TableRef) -> Path:
    """Where a table lies; `x.csv.gz` will do for `x.csv`. Raises CatalogError."""
    return next(path for path in _plain_and_packed(root / present(root, ref).file) if path.is_file())


def _plain_and_packed(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(path.name + ".gz")


def header(root: Path, ref: TableRef) -> list[str]:
    """The names of a table's columns.

    Raises:
        CatalogError: no CSV table, or a name that is there twice.
    """
    names = next(_lines(root, ref, lambda share, text: None))[1]
    twice = next((name for n, name in enumerate(names) if name and name in names[:n]), None)
    if twice:
        raise CatalogError(
            f"{ref.file}, line 1: {quoted(twice)}", "is the name of two columns", "Rename one of them",
            code="column-repeated",
        )  # fmt: skip
    return names


def stream(root: Path, ref: TableRef, wanted: Sequence[str], progress: Progress) -> Iterator[Chunk]:
    """The rows of one table, a few thousand at a time.

    Raises:
        CatalogError: no CSV table, or a line (named) with fewer or more fields than the first.
    """
    lines = _lines(root, ref, progress)
    names = next(lines)[1]
    places = [names.index(name) for name in wanted]
    rows: list[list[str]] = []
    numbers: list[int] = []
    for number, row in lines:
        if len(row) != len(names) and (len(row) < len(names) or any(row[len(names) :])):
            rule = f"has {len(row)} fields, not {len(names)}"
            raise CatalogError(
                f"{ref.file}, line {number}", rule, "Quote fields that hold the delimiter",
                code="wrong-number-of-fields",
            )  # fmt: skip
        rows.append(row)
        numbers.append(number)
        if len(rows) == CHUNK:
            yield _chunk(ref, numbers, rows, wanted, places)
            rows, numbers = [], []
    if rows:
        yield _chunk(ref, numbers, rows, wanted, places)


def _chunk(ref: TableRef, numbers: list[int], rows: list[list[str]], wanted: Sequence[str], places: list[int]) -> Chunk:
    return Chunk(ref, numbers, {name: [row[place].strip() for row in rows] for name, place in zip(wanted, places)})


def _lines(root: Path, ref: TableRef, progress: Progress) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of every line that is not empty, the names of the columns first."""
    path = table_path(root, ref)
    size = max(path.stat().st_size, 1)
    try:
        with path.open("rb") as raw:
            plain: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            reader = csv_reader(plain, ref.delimiter, LATIN_1, encoding_of(plain.peek(2)))
            names = [name.strip() for name in next(reader, [])]
            while names and not names[-1]:  # a delimiter at the end of the line, as in the tables of ChestX-ray14
                names.pop()
            yield 1, names
            for n, row in enumerate(reader):
                if n % CHUNK == 0:
                    progress(raw.tell() / size, f"reading {ref.file}")
                if row:
                    yield reader.line_num, row
    except (*UNREADABLE, gzip.BadGzipFile, EOFError, UnicodeError) as error:
        raise CatalogError(
            f"table {path}", f"is no CSV in UTF-8 ({error})", "Save it as CSV (UTF-8)", code="not-a-csv-table"
        ) from error


def _keys(chunk: Chunk, names: Sequence[str]) -> list[str]:
    columns = [chunk.columns[name] for name in names]
    return columns[0] if len(columns) == 1 else [GLUE.join(fields) for fields in zip(*columns)]
