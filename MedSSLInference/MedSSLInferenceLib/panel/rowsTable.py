"""Texts in rows of a QTableWidget."""

from __future__ import annotations

import qt


def fillRows(widget, titles, rows) -> None:
    """Show rows of texts under titles, as high as they need up to ten."""
    widget.setRowCount(len(rows))
    widget.setColumnCount(len(titles))
    widget.setHorizontalHeaderLabels(list(titles))
    widget.verticalHeader().visible = widget.wordWrap = False
    widget.editTriggers = qt.QAbstractItemView.NoEditTriggers
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            widget.setItem(number, column, item)
    widget.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    widget.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    height = widget.horizontalHeader().height + sum(widget.rowHeight(n) for n in range(min(10, len(rows)))) + 4
    widget.setFixedHeight(height)
