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
        names = self._names(rows)
        if byHead:
            titles = (_("Finding"), _("Head"), _("Probability"))
            texts = [(name, row["head"], f"{row['probability']:.3f}") for name, row in zip(names, rows)]
        else:
            titles = (_("Class"), _("Probability"), _("Result"))
            texts = [(name, f"{row['probability']:.3f}", _verdict(row)) for name, row in zip(names, rows)]
        fillRows(self._widget, titles, texts, tips=[_rowText(row) for row in rows])
        for number, row in enumerate(rows if byHead else ()):
            self._widget.setCellWidget(number, 2, _bar(row))
        self._widget.visible, self._searchEdit.visible = True, byHead
        self._search()

    def _names(self, rows) -> list[str]:
        """What each row is about; with its image where there are several."""
        several = len({row["image"] for row in rows}) > 1
        return [f"{row['name']}: {row['class']}" if several else row["class"] for row in rows]

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


def _rowText(row) -> str:
    """All that is known of a row, for its tooltip."""
    text = _("{name}: {finding} {probability}").format(
        name=row["name"], finding=row["class"], probability=probabilityText(row)
    )
    return text if row["threshold"] is None else _("{text}; positive from {threshold:.2f}").format(text=text, **row)


def _bar(row):
    bar = qt.QProgressBar()
    bar.toolTip = _rowText(row)
    bar.setRange(0, FULL)
    bar.value = round(FULL * row["probability"])
    bar.format = f"{row['probability']:.3f}"
    bar.setAttribute(qt.Qt.WA_TransparentForMouseEvents, True)  # a click on it chooses the row
    return bar


def _verdict(row) -> str:
    if row["threshold"] is None:
        return _("likeliest") if row["positive"] else ""
    return _("positive") if row["positive"] else _("negative")
