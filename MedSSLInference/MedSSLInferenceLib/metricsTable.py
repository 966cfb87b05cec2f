"""Metrics as a table node in the scene and as rows in the panel."""

from __future__ import annotations

import math
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

FORMATS = {"mse": "{:.4f}", "psnr": "{:.1f}", "ssim": "{:.3f}"}


def createMetricsTable(rows, name: str):
    """A vtkMRMLTableNode with a row per image; the first column is text, the others are numbers."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    for column in _columns(rows):
        array = vtk.vtkStringArray() if column == "image" else vtk.vtkDoubleArray()
        array.SetName(column)
        for row in rows:
            array.InsertNextValue(_cell(row[column]))
        node.AddColumn(array)
    node.SetLocked(True)
    return node


def fillTableWidget(widget, rows) -> None:
    """Show the rows in a QTableWidget, numbers rounded for reading."""
    columns = _columns(rows)
    widget.setRowCount(len(rows))
    widget.setColumnCount(len(columns))
    widget.setHorizontalHeaderLabels([_header(name) for name in columns])
    for r, row in enumerate(rows):
        for c, name in enumerate(columns):
            widget.setItem(r, c, qt.QTableWidgetItem(_text(name, row[name])))
    widget.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)


def _columns(rows) -> list[str]:
    return list(rows[0]) if rows else []


def _header(name: str) -> str:
    return {"image": _("Image"), "mse": _("MSE"), "psnr": _("PSNR (dB)"), "ssim": _("SSIM")}.get(name, name)


def _cell(value: Any) -> Any:
    """JSON has no infinity: the PSNR of an image that equals the original arrives as null."""
    return math.nan if value is None else value


def _text(column: str, value: Any) -> str:
    if column == "image":
        names = {"distorted": _("Distorted"), "restored": _("Restored"), "constant mean": _("Constant mean")}
        return names.get(value, value)
    return "-" if value is None else FORMATS.get(column, "{:.4g}").format(value)
