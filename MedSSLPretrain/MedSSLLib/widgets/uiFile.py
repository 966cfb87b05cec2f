"""Sections of a panel that come from a .ui file of their own."""

from __future__ import annotations

from pathlib import Path

import slicer


def loadInto(frame, path: Path, *selectors: str):
    """Fill a frame of the panel with a .ui file; returns its widgets by their names.

    Args:
        frame: an empty widget with a layout.
        path: the file; its root is a qMRMLWidget.
        selectors: names of the node selectors in it, which need the scene of their own.
    """
    widget = slicer.util.loadUI(str(path))
    frame.layout().addWidget(widget)
    ui = slicer.util.childWidgetVariables(widget)
    for needsScene in (widget, *(getattr(ui, name) for name in selectors)):
        needsScene.setMRMLScene(slicer.mrmlScene)
    return ui


def discard(widget) -> None:
    """Take a panel's widgets away for good.

    A reloaded module's old widgets would stay in the panel, hidden, and go on calling the old Python objects.
    """
    widget.hide()
    widget.setParent(None)
    widget.deleteLater()
