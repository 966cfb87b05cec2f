"""The classes of a dataset spec as a table: name, column, how it is read, and the word or pattern that says yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import qt
from MedSSLLib.widgets.tables import fitHeight, prepareTable
from slicer.i18n import tr as _

from medssl.core.errors import CatalogError
from MedSSLPretrainLib.datasets.labelRows import CONTAINS, EQUALS, HOW, NUMBERS, PATTERN, LabelRow, labelsOf, rowsOf

SHOWN = 6  # rows; more scroll
NAME, COLUMN, READ, VALUE = range(4)


class LabelsEditor:
    """A table with two buttons.

    Args:
        changed: called when the user edits.
        refused: called with the error where an edit cannot stand; the cell goes back.
    """

    def __init__(self, changed: Callable[[], None], refused: Callable[[CatalogError], None]) -> None:
        self._changed, self._refused = changed, refused
        self._rows: list[LabelRow] = []
        self._given: Any = []
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.table = qt.QTableWidget()
        self._prepare(self.table)
        layout.addWidget(self.table)
        buttons = qt.QHBoxLayout()
        layout.addLayout(buttons)
        self.addButton, self.removeButton = qt.QPushButton(_("Add class")), qt.QPushButton(_("Remove class"))
        for button, slot in ((self.addButton, self._add), (self.removeButton, self._remove)):
            button.connect("clicked(bool)", lambda _on, slot=slot: slot())
            buttons.addWidget(button)

    def value(self) -> Any:
        """`labels` of the dataset spec; as it was given until the user edits it."""
        return self._given if rowsOf(self._given) == self._rows else labelsOf(self._rows)

    def setValue(self, labels: Any) -> None:
        """Show the classes; emits no signal."""
        self._given, self._rows = labels, rowsOf(labels)
        self._fill()

    def setRows(self, rows: list[LabelRow]) -> None:
        """Other classes, as if the user had entered them."""
        self._rows = list(rows)
        self._fill()
        self._changed()

    def _prepare(self, table) -> None:
        prepareTable(table, [_("Class"), _("Column"), _("Yes if"), _("Word")], editable=True, several=True)
        header = table.horizontalHeader()
        header.minimumSectionSize = 24
        header.setSectionResizeMode(READ, qt.QHeaderView.ResizeToContents)
        table.setTextElideMode(qt.Qt.ElideMiddle)
        table.setMinimumWidth(1)
        table.setProperty("nameColumn", -1)  # a class is often named as its column, which is hidden then
        table.connect("itemChanged(QTableWidgetItem*)", self._onItem)

    def _fill(self) -> None:
        table = self.table
        wasBlocked = table.blockSignals(True)
        for number in range(len(self._rows), table.rowCount):
            table.cellWidget(number, READ).visible = False  # deleted only when the event loop comes to it
        table.rowCount = len(self._rows)
        for number, row in enumerate(self._rows):
            for column, text in ((NAME, row.name), (COLUMN, row.column), (VALUE, row.value)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                table.setItem(number, column, item)
            if row.how == NUMBERS:
                table.item(number, VALUE).setFlags(qt.Qt.ItemIsSelectable)
            self._showHow(number, row.how)
        table.setColumnHidden(VALUE, all(row.how == NUMBERS for row in self._rows))  # nothing to write there
        table.blockSignals(wasBlocked)
        fitHeight(table, SHOWN)
        self.removeButton.enabled = bool(self._rows)

    def _showHow(self, number: int, how: str) -> None:
        combo = self.table.cellWidget(number, READ)
        if combo is None:
            combo = self._makeCombo(number)
            self.table.setCellWidget(number, READ, combo)
        combo.setCurrentIndex(HOW.index(how))

    def _makeCombo(self, number: int):
        titles = {
            NUMBERS: _("is 1"), EQUALS: _("is"), CONTAINS: _("has"), PATTERN: _("fits"),
        }  # fmt: skip
        combo = qt.QComboBox()
        for how in HOW:
            combo.addItem(titles[how], how)
        combo.toolTip = _(
            "is 1: 0 is no, -1 uncertain, empty missing; is: the column holds the word; has: the word is one of several in "
            "it, separated by |; fits: a regular expression that is looked for in the column or, without one, in the image's path"
        )
        combo.connect("activated(int)", lambda index: self._onHow(number, HOW[index]))
        return combo

    def _onHow(self, number: int, how: str) -> None:
        self._rows[number] = replace(self._rows[number], how=how, rest={})
        self._fill()
        self._changed()

    def _onItem(self, item) -> None:
        number, text = item.row(), item.text().strip()
        row = self._rows[number]
        if item.column() == NAME:
            if not text or any(text == other.name for n, other in enumerate(self._rows) if n != number):
                self._fill()
                rule = _("is the name of another class") if text else _("needs a name")
                self._refused(CatalogError(f"labels.{text}", rule, _("Name every class once")))
                return
            follows = row.column == row.name  # a column of the class's name
            self._rows[number] = replace(row, name=text, column=text if follows else row.column)
            self._fill()
        else:
            self._rows[number] = replace(row, **{"column" if item.column() == COLUMN else "value": text})
        self._changed()

    def _add(self) -> None:
        names = {row.name for row in self._rows}
        name = next(name for name in (f"class {n}" for n in range(1, len(names) + 2)) if name not in names)
        last = self._rows[-1] if self._rows else LabelRow(name, name)
        column = name if last.how == NUMBERS else last.column
        self.setRows([*self._rows, replace(last, name=name, column=column, value="" if last.how == NUMBERS else name)])

    def _remove(self) -> None:
        chosen = {item.row() for item in self.table.selectedItems()} or {len(self._rows) - 1}
        self.setRows([row for number, row in enumerate(self._rows) if number not in chosen])
