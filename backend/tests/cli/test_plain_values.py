"""No table on the terminal or in a report shows a list, a mapping, None or True as Python writes it."""

from __future__ import annotations

import pytest

from medssl.cli.output import print_table
from medssl.reports.html import Report
from medssl.reports.numbers import plain

VALUES = [
    (["a note", "another"], "a note, another"), ((64, 64, 32), "64, 64, 32"), ({"Mass": 3, "Edema": [1, 2]}, "Mass: 3, Edema: 1, 2"),
    (None, ""), (True, "yes"), (False, "no"), ([None, True], ", yes"), ([], ""), ("text", "text"), (0, "0"),
]  # fmt: skip


@pytest.mark.parametrize("value, text", VALUES)
def test_on_the_terminal_and_in_a_report(tmp_path, capsys, value, text):
    assert str(plain(value)) == text
    print_table(("name", "value"), [("x", value)])
    shown = capsys.readouterr().out
    assert f"│ x    │ {text}" in shown
    report = Report("t")
    report.table(("name", "value"), [("x", value)])
    report.write(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert f">{text}</td>" in page
