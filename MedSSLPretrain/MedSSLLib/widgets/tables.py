"""QTableWidgets of the panels: how they look, and how high they are."""

from __future__ import annotations

import qt


def prepareTable(table, titles: list[str], editable: bool = False, several: bool = False) -> None:
    """Titles, and rows that are selected as a whole.

    Args:
        table: a QTableWidget.
        titles: of the columns.
        editable: whether the user may write into the cells.
        several: whether more than one row can be selected.
    """
    table.columnCount = len(titles)
    table.setHorizontalHeaderLabels(titles)
    table.verticalHeader().visible = False
    table.alternatingRowColors = True
    table.wordWrap = False
    table.selectionBehavior = qt.QAbstractItemView.SelectRows
    if not several:
        table.selectionMode = qt.QAbstractItemView.SingleSelection
    if not editable:
        table.editTriggers = qt.QAbstractItemView.NoEditTriggers
    table.horizontalHeader().setSectionResizeMode(
        qt.QHeaderView.Stretch if editable else qt.QHeaderView.ResizeToContents
    )


def fitHeight(table, most: int) -> None:
    """Make a table as high as its rows are, between two and `most` of them."""
    line = table.verticalHeader().defaultSectionSize
    table.setFixedHeight(line * (1 + min(max(table.rowCount, 2), most)) + 4)
