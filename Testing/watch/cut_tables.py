"""What of a table or list is cut: headers, cells without a tooltip, columns out of sight, a name column that starves."""

from __future__ import annotations

import qt

HEADER_EDGE, CELL_EDGE = 8, 6  # pixels beside a text
NAME_SHARE = 0.4  # of the table's width that the column of names has at least
NAME_COLUMN = (
    "nameColumn"  # dynamic property of a table whose names are not in the column that stretches; -1: it has none
)


def tableCuts(widget) -> list[str]:
    """Why a table or list is hard to read; empty for other widgets."""
    if widget.inherits("QListView"):
        return _listCuts(widget)
    if not widget.inherits("QTableView") and not widget.inherits("QTreeView"):
        return []
    header = widget.horizontalHeader() if widget.inherits("QTableView") else widget.header()
    columns = [n for n in range(header.count()) if not header.isSectionHidden(n)] if header is not None else []
    if not columns or widget.model() is None:
        return []
    room = widget.viewport().width
    found = [] if header.isHidden() else _headerCuts(widget, header, columns)
    total = sum(header.sectionSize(n) for n in columns)
    if total > room + 1:
        found.append(f"its columns need {total} px of {room}")
    name = nameColumn(widget, header, columns)
    if name >= 0 and len(columns) > 1 and header.sectionSize(name) < NAME_SHARE * room - 1:
        found.append(f"names have {header.sectionSize(name)} px of {room}")
    return found + _cellCuts(widget, columns, header)


def nameColumn(widget, header, columns) -> int:
    """The column that says which row it is."""
    stated = widget.property(NAME_COLUMN)
    if stated is not None:
        return int(stated)
    stretched = [n for n in columns if header.sectionResizeMode(n) == qt.QHeaderView.Stretch]
    return stretched[0] if stretched else columns[0]


def _headerCuts(widget, header, columns) -> list[str]:
    found = []
    for n in columns:
        text = str(widget.model().headerData(n, qt.Qt.Horizontal, qt.Qt.DisplayRole) or "")
        needed = max((header.fontMetrics().horizontalAdvance(line) for line in text.split("\n")), default=0)
        if text and needed + HEADER_EDGE > header.sectionSize(n):
            found.append(f"header {text!r} needs {needed + HEADER_EDGE} px of {header.sectionSize(n)}")
    return found


def _cellCuts(widget, columns, header) -> list[str]:
    """Cells that Qt elides; the whole text in the tooltip mends it."""
    model, found = widget.model(), []
    for row in range(min(model.rowCount(), 50)):
        for column in columns:
            index = model.index(row, column)
            text, room = str(model.data(index, qt.Qt.DisplayRole) or ""), header.sectionSize(column)
            if widget.inherits("QTableView"):
                room = sum(header.sectionSize(column + n) for n in range(widget.columnSpan(row, column)))
            tip = str(model.data(index, qt.Qt.ToolTipRole) or "")
            ticked = 20 if model.data(index, qt.Qt.CheckStateRole) is not None else 0
            if _width(widget, text) + ticked + CELL_EDGE > room and text not in tip:
                found.append(f"{text!r} in row {row} needs {_width(widget, text) + ticked + CELL_EDGE} px of {room}")
    return found


def _listCuts(widget) -> list[str]:
    if widget.viewMode == qt.QListView.IconMode or widget.model() is None:
        return []
    model, room, found = widget.model(), widget.viewport().width, []
    for row in range(min(model.rowCount(), 50)):
        index = model.index(row, 0)
        text, tip = (str(model.data(index, role) or "") for role in (qt.Qt.DisplayRole, qt.Qt.ToolTipRole))
        if _width(widget, text) + CELL_EDGE > room and text not in tip and not widget.wordWrap:
            found.append(f"{text!r} needs {_width(widget, text) + CELL_EDGE} px of {room}")
    return found


def _width(widget, text: str) -> int:
    return max((widget.fontMetrics().horizontalAdvance(line) for line in text.split("\n")), default=0)
