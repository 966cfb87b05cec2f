"""The table of dataset specs: a row for each, with its labels, its images and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import qt
from MedSSLLib.widgets.fitting import fitTable
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.tables import fitHeight, prepareTable
from slicer.i18n import tr as _

SHOWN = 7  # rows; more scroll
FINE, OPEN, WRONG = "fine", "open", "wrong"  # states of a row
IMAGES, STATE = 1, 2  # columns


@dataclass(frozen=True)
class SetRow:
    """What a row shows; `state` is FINE, OPEN (not checked) or WRONG, `text` says it in a few words, `tip` in full."""

    name: str
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
        prepareTable(table, [_("Set"), _("Images"), _("State")])
        fitTable(table)
        table.connect("itemSelectionChanged()", self._onSelection)

    @property
    def row(self) -> int:
        """The selected row, or -1."""
        rows = [item.row() for item in self._table.selectedItems()]
        return rows[0] if rows else -1

    def show(self, rows: list[SetRow], selected: int) -> None:
        """Show these rows and select one of them; -1: none. Emits no signal."""
        table = self._table
        wasBlocked = table.blockSignals(True)
        table.rowCount = len(rows)
        for number, row in enumerate(rows):
            for column, text in enumerate((row.name, row.images, row.text)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(row.tip)
                if column == IMAGES:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                if row.state == WRONG and column == STATE:
                    item.setForeground(qt.QBrush(qt.QColor("#d9822b")))  # legible on dark and light themes alike
                table.setItem(number, column, item)
        fitHeight(table, SHOWN)
        table.clearSelection()
        if selected >= 0:
            table.selectRow(selected)
        table.blockSignals(wasBlocked)

    def _onSelection(self) -> None:
        self.selected.emit(self.row)
