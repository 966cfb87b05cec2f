"""Rows of equal keys as a vtkMRMLTableNode."""

from __future__ import annotations

import math
from typing import Any

import slicer
import vtk

# MRML's table files lose, when they are read, what stands behind the first of these, as a comment
HASH, SHARP = "#", "\N{MUSIC SHARP SIGN}"


def createTable(rows, name: str):
    """A table node with a row per dict; texts, whole numbers and other numbers get columns of their kind."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    fillTable(node, rows)
    node.SetLocked(True)
    return node


def fillTable(node, rows) -> None:
    """Replace what a table node holds."""
    modified = node.StartModify()
    node.RemoveAllColumns()
    for column in rows[0] if rows else ():
        values = [row[column] for row in rows]
        array = _array(values)
        array.SetName(column)
        for value in values:
            array.InsertNextValue(_cell(value))
        node.AddColumn(array)
    node.Modified()
    node.EndModify(modified)


def rowsOf(node) -> list[dict[str, Any]]:
    """What a table node holds; whole numbers come back as such, and so do texts with a hash."""
    table = node.GetTable()
    columns = [table.GetColumn(number) for number in range(table.GetNumberOfColumns())]
    values = {one.GetName(): [_plain(one.GetValue(n)) for n in range(one.GetNumberOfValues())] for one in columns}
    return [dict(zip(values, row)) for row in zip(*values.values())]


def _array(values):
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {str}:
        return vtk.vtkStringArray()
    return vtk.vtkIntArray() if kinds and kinds <= {int, bool} and None not in values else vtk.vtkDoubleArray()


def _cell(value: Any) -> Any:
    """JSON has no infinity and no NaN: they arrive as null."""
    if isinstance(value, str):
        return value.replace(HASH, SHARP)
    return math.nan if value is None else int(value) if isinstance(value, bool) else value


def _plain(value: Any) -> Any:
    return value.replace(SHARP, HASH) if isinstance(value, str) else value
