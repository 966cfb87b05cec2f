"""What Qt and VTK complain about while a test runs: warnings there are faults of the panels here.

Slicer's error log shows them to users, hundreds of them hide the one that matters, and most name a real mistake.
"""

from __future__ import annotations

import re

import vtk
from harness.qtNamespace import QtCore

SERIOUS = (QtCore.QtMsgType.QtWarningMsg, QtCore.QtMsgType.QtCriticalMsg, QtCore.QtMsgType.QtFatalMsg)
ALLOWED = {  # what is not of the panels: pattern -> why
    r"propagateSizeHints": "the platform without a screen",
    r"invalid orientation preset name: Reformat": "MRML's own, at every slice view that was turned and saved",
    r"vtkMRMLColorTableNodeFileGenericColors\.txt can't be found": "the stand-in ships no colour files",
}

_heard: list[str] = []
_window = vtk.vtkOutputWindow()


def listen() -> None:
    """Begin; once for a run."""
    QtCore.qInstallMessageHandler(_fromQt)
    for event in ("ErrorEvent", "WarningEvent", "GenericWarningEvent"):
        if hasattr(vtk.vtkCommand, event):
            _window.AddObserver(event, _fromVtk)
    vtk.vtkOutputWindow.SetInstance(_window)


def heard(*expected: str) -> list[str]:
    """What was complained about since the last call, without what is allowed or expected (patterns)."""
    found = [one for one in _heard if not any(re.search(pattern, one) for pattern in (*ALLOWED, *expected))]
    _heard.clear()
    return found


def _fromQt(kind, _context, message: str) -> None:
    if kind in SERIOUS:
        _heard.append(f"Qt: {message}")


@vtk.calldata_type(vtk.VTK_STRING)
def _fromVtk(_window, event: str, message: str) -> None:
    _heard.append(f"VTK: {' '.join(message.split())}")
