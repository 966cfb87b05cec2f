"""Fields that a spreadsheet would compute are written as text, and read back unchanged."""

from __future__ import annotations

import csv

import pytest

from medssl.core.tables import csv_lines, csv_reader, read_table, write_table

FORMULAS = [
    "=1+1",
    "+49 30 1234",
    "-2+3",
    "@SUM(A1)",
    '=HYPERLINK("http://x","y")',
    "\t=1",
    "'=1",
    "''-a",
    "-scan/a.nii",
    "+a",
    "'-5",
]
PLAIN = ["-1", "+2.5", "-1e-3", "-1,5", ".5", "-inf", "-", "", "a=b", "'quoted'", "it's", "-0"]


def test_formulas_are_text_and_come_back(tmp_path):
    rows = [{"=name": value, "plain": other} for value, other in zip(FORMULAS + PLAIN, (PLAIN + FORMULAS))]
    write_table(rows, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        written = list(csv.reader(file))
    assert written[0] == ["'=name", "plain"]
    assert [row[0] for row in written[1:]] == [f"'{value}" for value in FORMULAS] + PLAIN
    strip = [{name: value.strip() if value == "\t=1" else value for name, value in row.items()} for row in rows]
    found = read_table(tmp_path / "a.csv").rows
    assert [{name: value.strip() for name, value in row.items()} for row in found] == strip
    with (tmp_path / "a.csv").open("rb") as file:
        assert [row[0] for row in list(csv_reader(file))[1:]] == FORMULAS + PLAIN


@pytest.mark.parametrize("value", [-1.5, -3, None, 0.1])
def test_numbers_stay_numbers(value):
    assert csv_lines([[value, 1]]) == f"{'' if value is None else value},1\r\n".encode()
