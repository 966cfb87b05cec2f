"""The CSV reader and writer: bytes as they always were, and what is wrong with a table named by its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from medssl.core.tables import csv_lines, csv_reader, read_table, write_table

ROWS = [{"a": 1 / 3, "b": 'say "no", twice'}, {"a": None, "b": "two\nlines"}, {"a": np.float64(2.5), "c": True}]


def test_mappings_have_all_their_keys_as_columns_and_missing_fields_are_empty(tmp_path: Path):
    write_table(ROWS, tmp_path / "x.csv")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["a", "b", "c"])
    writer.writeheader()
    writer.writerows(ROWS)
    assert (tmp_path / "x.csv").read_bytes() == text.getvalue().encode()


def test_columns_choose_and_order_and_line_ends_and_digits_are_options(tmp_path: Path):
    write_table(ROWS, tmp_path / "x.csv", ("c", "a"), line_end="\n", digits=3)
    assert (tmp_path / "x.csv").read_bytes() == b"c,a\n,0.333\n,\nTrue,2.5\n"
    write_table([(1, 0.1), ("x", None)], tmp_path / "x.csv", ("a", "b"))
    assert (tmp_path / "x.csv").read_bytes() == b"a,b\r\n1,0.1\r\nx,\r\n"


def test_what_was_written_is_read_and_rows_know_their_lines(tmp_path: Path):
    write_table(ROWS[:2], tmp_path / "x.csv")
    table = read_table(tmp_path / "x.csv", ("b",))
    assert table.columns == ("a", "b") and table.lines == [2, 4]
    assert table.rows == [{"a": str(1 / 3), "b": 'say "no", twice'}, {"a": "", "b": "two\nlines"}]


def test_a_byte_order_mark_and_empty_lines_are_no_part_of_a_table(tmp_path: Path):
    (tmp_path / "x.csv").write_bytes("\ufeffa,b\n\n1,ü\n".encode())
    table = read_table(tmp_path / "x.csv")
    assert table.columns == ("a", "b") and table.rows == [{"a": "1", "b": "ü"}] and table.lines == [3]


@pytest.mark.parametrize(
    ("data", "code", "names"),
    [
        (b"a,b\n1,2\n1\n", "wrong-number-of-fields", "line 3"),
        (b"a,b\n1,2,3\n", "wrong-number-of-fields", "line 2"),
        (b"x;b\n1;2\n", "column-missing", ["'a'", "x, b"]),
        (b"", "column-missing", "'a'"),
        (b"a,b\n\0,2\n", "not-a-csv-table", ""),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, data: bytes, code: str, names: str | list[str]):
    (tmp_path / "x.csv").write_bytes(data)
    with refused(code, names):
        read_table(tmp_path / "x.csv", ("a",))


def test_a_file_that_is_not_there(tmp_path: Path):
    with refused("file-not-found"):
        read_table(tmp_path / "x.csv")


def test_lines_of_a_growing_file_are_those_of_a_table():
    data = csv_lines([("a", "b"), (1, "x;y")], "\n")
    assert data == b"a,b\n1,x;y\n" and list(csv_reader(io.BytesIO(data))) == [["a", "b"], ["1", "x;y"]]
    assert list(csv_reader(io.BytesIO(b"1;\xff"), ";", errors="replace")) == [["1", "\ufffd"]]
