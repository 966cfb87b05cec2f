"""Metrics as rows in the panel."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

FORMATS = {"mse": "{:.4f}", "psnr": "{:.1f}", "ssim": "{:.3f}"}


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


def _text(column: str, value: Any) -> str:
    if column == "image":
        names = {"distorted": _("Distorted"), "restored": _("Restored"), "constant mean": _("Constant mean")}
        return names.get(value, value)
    return "-" if value is None else FORMATS.get(column, "{:.4g}").format(value)
