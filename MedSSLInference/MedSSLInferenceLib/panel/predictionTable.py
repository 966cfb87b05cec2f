"""Probabilities as rows: image by image, of an Ark head by head, one of which can be chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.rowsTable import fillRows

FULL = 1000  # a bar's maximum


class PredictionTable:
    """Keeps a QTableWidget and a line to search in it.

    Args:
        widget: a QTableWidget.
        searchEdit: a QLineEdit; rows without its words are hidden.
        changed: called when another row is chosen.
    """

    def __init__(self, widget, searchEdit, changed: Callable[[], None]) -> None:
        self._widget, self._searchEdit, self._rows = widget, searchEdit, ()
        widget.selectionBehavior = qt.QAbstractItemView.SelectRows
        widget.selectionMode = qt.QAbstractItemView.SingleSelection
        widget.connect("itemSelectionChanged()", changed)
        searchEdit.connect("textChanged(QString)", lambda _text: self._search())
        self.clear()

    @property
    def row(self) -> dict[str, Any] | None:
        """The chosen row of the result's table, or None."""
        items = self._widget.selectedItems()
        return self._rows[items[0].row()] if items else None

    def clear(self) -> None:
        """Show nothing."""
        self._rows = ()
        self._widget.setRowCount(0)
        self._widget.visible = self._searchEdit.visible = False

    def show(self, rows) -> None:
        """Show a prediction's rows."""
        self.clear()
        self._rows = tuple(rows)
        byHead = any("head" in row for row in rows)
        if byHead:
            titles = (_("Finding"), _("Head"), _("Image"), _("Probability"))
            texts = [(row["class"], row["head"], row["name"], probabilityText(row)) for row in rows]
        else:
            titles = (_("Image"), _("Class"), _("Probability"), _("Result"))
            texts = [(row["name"], row["class"], probabilityText(row), _verdict(row)) for row in rows]
        fillRows(self._widget, titles, texts)
        if byHead:
            self._widget.setColumnHidden(2, len({row["image"] for row in rows}) == 1)
            for number, row in enumerate(rows):
                self._widget.setCellWidget(number, 3, _bar(row))
        else:
            self._widget.setColumnHidden(2, False)
        self._widget.visible, self._searchEdit.visible = True, byHead
        self._search()

    def _search(self) -> None:
        words = self._searchEdit.text.lower().split()
        for number, row in enumerate(self._rows):
            text = f"{row['class']} {row.get('head', '')} {row['name']}".lower()
            self._widget.setRowHidden(
                number, bool(self._searchEdit.visible) and not all(word in text for word in words)
            )


def probabilityText(row) -> str:
    """With its interval, where there is one."""
    text = f"{row['probability']:.3f}"
    return text if row["low"] is None else f"{text} ({row['low']:.3f}-{row['high']:.3f})"


def _bar(row):
    bar = qt.QProgressBar()
    bar.setRange(0, FULL)
    bar.value = round(FULL * row["probability"])
    bar.format = probabilityText(row)
    bar.setAttribute(qt.Qt.WA_TransparentForMouseEvents, True)  # a click on it chooses the row
    return bar


def _verdict(row) -> str:
    if row["threshold"] is None:
        return _("likeliest") if row["positive"] else ""
    title = _("positive (from {threshold:.2f})") if row["positive"] else _("negative (below {threshold:.2f})")
    return title.format(threshold=row["threshold"])
