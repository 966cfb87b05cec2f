"""Rows of equal keys as a vtkMRMLTableNode."""

from __future__ import annotations

import math
from typing import Any

import slicer
import vtk


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
    """What a table node holds; whole numbers come back as such."""
    table = node.GetTable()
    columns = [table.GetColumn(number) for number in range(table.GetNumberOfColumns())]
    values = {column.GetName(): [column.GetValue(n) for n in range(column.GetNumberOfValues())] for column in columns}
    return [dict(zip(values, row)) for row in zip(*values.values())]


def _array(values):
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {str}:
        return vtk.vtkStringArray()
    return vtk.vtkIntArray() if kinds and kinds <= {int, bool} and None not in values else vtk.vtkDoubleArray()


def _cell(value: Any) -> Any:
    """JSON has no infinity and no NaN: they arrive as null."""
    return math.nan if value is None else int(value) if isinstance(value, bool) else value
