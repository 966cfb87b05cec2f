"""The table of declared sets: a row for each, with its labels, its images and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import qt
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

SHOWN = 7  # rows; more scroll
FINE, OPEN, WRONG = "fine", "open", "wrong"  # states of a row


@dataclass(frozen=True)
class SetRow:
    """What a row shows; `state` is FINE, OPEN (not checked) or WRONG, `text` says it in a few words, `tip` in full."""

    name: str
    labels: str
    images: str
    state: str
    text: str
    tip: str


class SetsTable:
    """Fills a QTableWidget.

    Signal: `selected(row)` when the user, or `show`, selects another row; -1: none.
    """

    def __init__(self, table) -> None:
        self.selected = Signal()
        self._table = table
        titles = [_("Set"), _("Labels"), _("Images"), _("State")]
        table.columnCount = len(titles)
        table.setHorizontalHeaderLabels(titles)
        table.verticalHeader().visible = False
        table.alternatingRowColors = True
        table.wordWrap = False
        table.selectionBehavior = qt.QAbstractItemView.SelectRows
        table.selectionMode = qt.QAbstractItemView.SingleSelection
        table.editTriggers = qt.QAbstractItemView.NoEditTriggers
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        for column in (0, 3):
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
        table.connect("itemSelectionChanged()", self._onSelection)

    @property
    def row(self) -> int:
        """The selected row, or -1."""
        rows = [item.row() for item in self._table.selectedItems()]
        return rows[0] if rows else -1

    def show(self, rows: list[SetRow], selected: int) -> None:
        """Show these rows and select one of them; -1: none. Tells nobody."""
        table = self._table
        wasBlocked = table.blockSignals(True)
        table.rowCount = len(rows)
        for number, row in enumerate(rows):
            for column, text in enumerate((row.name, row.labels, row.images, row.text)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(row.tip)
                if column == 2:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                if row.state == WRONG and column == 3:
                    item.setForeground(qt.QBrush(qt.QColor("#d9822b")))  # legible on dark and light themes alike
                table.setItem(number, column, item)
        fitHeight(table, SHOWN)
        table.clearSelection()
        if selected >= 0:
            table.selectRow(selected)
        table.blockSignals(wasBlocked)

    def select(self, row: int) -> None:
        """Select a row as the user would."""
        self._table.selectRow(row)

    def _onSelection(self) -> None:
        self.selected.emit(self.row)


def fitHeight(table, most: int) -> None:
    """Make a table as high as its rows are, between two and `most` of them."""
    line = table.verticalHeader().defaultSectionSize
    table.setFixedHeight(line * (1 + min(max(table.rowCount, 2), most)) + 4)
