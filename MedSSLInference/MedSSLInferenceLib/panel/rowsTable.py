"""Texts in rows of a QTableWidget."""

from __future__ import annotations

import qt
from MedSSLLib.widgets.fitting import fitTable

NAME_COLUMN = "nameColumn"  # dynamic property: the column that gets the width
MOST_ROWS = 10


def fillRows(widget, titles, rows, name: int = 0, tips=()) -> None:
    """Show rows of texts under titles, as high as they need up to ten.

    Args:
        widget: a QTableWidget; cells that are there are filled in place.
        name: the column of names, which gets the width.
        tips: for each row what its tooltip says; left out: each cell's own text.
    """
    before = widget.blockSignals(True)
    widget.setRowCount(len(rows))
    widget.setColumnCount(len(titles))
    widget.setHorizontalHeaderLabels(list(titles))
    widget.verticalHeader().visible = False
    widget.editTriggers = qt.QAbstractItemView.NoEditTriggers
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            if widget.item(number, column) is None:
                widget.setItem(number, column, qt.QTableWidgetItem())
            widget.item(number, column).setText(text)
            widget.item(number, column).setToolTip(f"{text}\n{tips[number]}" if tips else text)
    widget.setProperty(NAME_COLUMN, name)
    fitTable(widget, name)
    height = widget.horizontalHeader().sizeHint.height() + 4
    height += sum(widget.rowHeight(number) for number in range(min(MOST_ROWS, len(rows))))
    widget.setFixedHeight(height)
    widget.blockSignals(before)
