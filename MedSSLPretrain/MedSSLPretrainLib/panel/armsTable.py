"""The arms of a comparison: a name and the weights to begin with."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from MedSSLLib.widgets.fitting import fitCombo
from MedSSLLib.widgets.modelChoice import methodTitle, purpose
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.tables import fitHeight, prepareTable
from slicer.i18n import tr as _

SCRATCH = "scratch"
SHOWN = 5  # rows; more scroll


class ArmsTable:
    """Fills a QTableWidget; the first arm is training from scratch, until the user says otherwise.

    Signal: `changed()`.
    """

    def __init__(self, table) -> None:
        self.changed = Signal()
        self._table, self._models = table, []
        self._arms: list[tuple[str, str]] = [(SCRATCH, "")]  # name, weights
        prepareTable(table, [_("Arm"), _("Weights to start from")], editable=True)
        table.setTextElideMode(qt.Qt.ElideMiddle)
        table.setMinimumWidth(1)
        table.connect("itemChanged(QTableWidgetItem*)", self._onItem)
        slicer.app.connect("focusChanged(QWidget*,QWidget*)", self._onFocus)
        self._fill()

    @property
    def arms(self) -> list[dict[str, str]]:
        """As a study takes them."""
        return [{"name": name, "weights": weights} for name, weights in self._arms]

    def set(self, arms: list[tuple[str, str]]) -> None:
        """Show these arms: names and weights."""
        self._arms = list(arms)
        self._changed()

    def setModels(self, models: list[dict[str, Any]]) -> None:
        """Offer the backend's models as weights; who writes into a cell is not disturbed."""
        if models == self._models:
            return
        self._models = models
        for row, (_name, weights) in enumerate(self._arms):
            self._offer(self._table.cellWidget(row, 1), weights)

    @property
    def selected(self) -> int:
        """The row of the selected arm; -1: none."""
        rows = [item.row() for item in self._table.selectedItems()]
        return rows[0] if rows else -1

    def close(self) -> None:
        """The panel goes away."""
        slicer.app.disconnect("focusChanged(QWidget*,QWidget*)", self._onFocus)

    def add(self, name: str = "", weights: str = "") -> None:
        """Add an arm; without a name it gets the newest model that no arm has."""
        used = {known for _name, known in self._arms}
        free = next((model for model in self._models if model["model"] not in used), None)
        if not name and free is not None:
            name, weights = methodTitle(purpose(free)) or free["name"], free["model"]
        names = {known for known, _weights in self._arms}
        base, count = name or _("arm"), 1
        while (name or base) in names:
            count += 1
            name = f"{base} {count}"
        self._arms.append((name or base, weights))
        self._changed()

    def removeSelected(self) -> None:
        """Remove the selected arm."""
        if self.selected < 0:
            return
        del self._arms[self.selected]
        self._changed()
        self._table.clearSelection()  # else the next one would be the selected

    def _changed(self) -> None:
        self._fill()
        self.changed.emit()

    def _fill(self) -> None:
        table = self._table
        table.blockSignals(True)
        table.rowCount = len(self._arms)
        for row, (name, weights) in enumerate(self._arms):
            table.setItem(row, 0, qt.QTableWidgetItem(name))
            table.item(row, 0).setToolTip(name)
            table.setCellWidget(row, 1, self._combo(row, weights))
        fitHeight(table, SHOWN)
        table.blockSignals(False)

    def _combo(self, row: int, weights: str):
        """The models of the backend; another text is the path of a weight file."""
        combo = qt.QComboBox()
        fitCombo(combo, 4)
        combo.editable = True
        self._offer(combo, weights)
        combo.lineEdit().cursorPosition = 0  # names begin with what tells them apart
        combo.connect("editTextChanged(QString)", lambda text: self._onWeights(row, combo, text))
        return combo

    def _offer(self, combo, weights: str) -> None:
        """Fill a combo box, which keeps its choice, and the place in it where somebody is writing."""
        place, wasBlocked = combo.lineEdit().cursorPosition, combo.blockSignals(True)
        combo.clear()
        combo.addItem(_("nothing (from scratch)"), "")
        for model in self._models:
            combo.addItem(f"{model['name']} ({methodTitle(purpose(model))})", model["model"])
        if combo.findData(weights) < 0:
            combo.addItem(weights, weights)
        combo.setCurrentIndex(combo.findData(weights))
        combo.lineEdit().cursorPosition = place
        combo.toolTip = "\n".join(
            (combo.currentText, _("A model of the backend, or the path of a weight file on its computer"))
        )
        combo.blockSignals(wasBlocked)

    def _onFocus(self, _before, now) -> None:
        """A click into a combo box selects no row: the row of who is written into is the selected one."""
        for row in range(self._table.rowCount if now is not None else 0):
            combo = self._table.cellWidget(row, 1)  # None while the table is being filled
            if combo is not None and combo.isAncestorOf(now):
                self._table.selectRow(row)

    def _onWeights(self, row: int, combo, text: str) -> None:
        known = combo.findText(text)
        self._arms[row] = (self._arms[row][0], combo.itemData(known) if known >= 0 else text.strip())
        self.changed.emit()

    def _onItem(self, item) -> None:
        self._arms[item.row()] = (item.text().strip(), self._arms[item.row()][1])
        self.changed.emit()
