"""The application around the panels: its window, modules, layouts, scene files and mouse; real or stood in for."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import qt
import slicer

SIZE = (1600, 1000)  # pixels of the main window
FOUR_UP = 3  # the application's own layout of three slices and a 3D view


def isStandIn() -> bool:
    """Whether this is the stand-in of the panel tests."""
    return "harness" in sys.modules


def open(module: str):
    """Select a module as a user does."""
    window = slicer.util.mainWindow()
    if window.width != SIZE[0]:
        window.resize(*SIZE)
        window.move(0, 0)
        window.show()
    slicer.util.selectModule(module)
    yield 0.8


def fresh():
    """An empty scene in the application's own layout."""
    slicer.mrmlScene.Clear(0)
    slicer.app.layoutManager().setLayout(FOUR_UP)
    yield 0.5


def leave():
    """Look at something else: the application's own layout."""
    slicer.app.layoutManager().setLayout(FOUR_UP)
    yield 0.5


def picture(widget, path: Path) -> bool:
    """Write a picture of a widget, as the main window."""
    return widget.grab().save(str(path))


def setPanelWidth(width: int) -> None:
    """Make the module panel so wide."""
    window = slicer.util.mainWindow()
    if isStandIn():
        window.setPanelWidth(width)
    else:
        window.resizeDocks([slicer.util.findChild(window, "PanelDockWidget")], [width], qt.Qt.Horizontal)


def style(name: str):
    """Choose a style of the application, light or dark."""
    if isStandIn():
        slicer.util.mainWindow().setDark("Dark" in name)
    else:
        qt.QApplication.setStyle(name)
        qt.QApplication.setPalette(qt.QApplication.style().standardPalette())  # else the colours stay
    yield 1.0


def scrollTo(widget) -> None:
    """Bring a widget of a panel into view, and open the sections that it lies in."""
    parent = widget.parent()
    while parent is not None:
        if parent.inherits("ctkCollapsibleButton"):
            parent.collapsed = False
        if parent.inherits("QScrollArea"):
            parent.ensureWidgetVisible(widget, 10, 60)
            return
        parent = parent.parent()


def saveScene(path: Path) -> bool:
    """Save the scene with its data in one file."""
    return slicer.mrmlScene.WriteToMRB(str(path)) if isStandIn() else slicer.util.saveScene(str(path))


def loadScene(path: Path) -> bool:
    """Replace the scene by a saved one."""
    if isStandIn():  # which has no cache folder, into which the scene would unpack the file
        folder = path.with_suffix("")
        zipfile.ZipFile(path).extractall(folder)
        slicer.mrmlScene.SetURL(str(next(folder.rglob("*.mrml"))))
        return bool(slicer.mrmlScene.Connect())
    return bool(slicer.util.loadScene(str(path), {"clear": True}))


def layout() -> int:
    """The number of the layout that is shown."""
    return slicer.app.layoutManager().layout


def viewNames() -> list[str]:
    """The layout names of the slice views that are seen."""
    manager = slicer.app.layoutManager()
    return [name for name in manager.sliceViewNames() if manager.sliceWidget(name).visible]


def viewsOf(volume) -> list:
    """The slice views that show a volume as their background."""
    manager = slicer.app.layoutManager()
    widgets = [manager.sliceWidget(name) for name in viewNames()]
    wanted = volume.GetID()
    return [one for one in widgets if one.mrmlSliceCompositeNode().GetBackgroundVolumeID() == wanted]


def isInside(widget) -> bool:
    """Whether a slice view's plane lies inside the volume that it shows."""
    volume = slicer.mrmlScene.GetNodeByID(widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() or "")
    bounds = [0.0] * 6
    widget.sliceLogic().GetLowestVolumeSliceBounds(bounds)  # along the view's own axes: the last two are of the depth
    return volume is not None and bounds[4] < widget.sliceLogic().GetSliceOffset() < bounds[5]


def isMiddle(widget) -> bool:
    """Whether it lies in the middle half of that volume."""
    bounds = [0.0] * 6
    widget.sliceLogic().GetLowestVolumeSliceBounds(bounds)
    offset, depth = widget.sliceLogic().GetSliceOffset(), bounds[5] - bounds[4]
    return bounds[4] + 0.25 * depth <= offset <= bounds[5] - 0.25 * depth


def canPointInViews() -> bool:
    """Whether views take the mouse."""
    return not isStandIn()


def drag(widget, start, end, steps: int = 12):
    """`yield from` this to drag the left mouse button between two places of the world in a slice view."""
    (x0, y0), (x1, y1) = _viewPoint(widget, start), _viewPoint(widget, end)
    _mouse(widget, (x0, y0), "MouseMoveEvent")  # else nothing lies below the pointer yet
    yield 0.3
    _mouse(widget, (x0, y0), "LeftButtonPressEvent")
    for part in range(1, steps + 1):
        _mouse(widget, (x0 + (x1 - x0) * part // steps, y0 + (y1 - y0) * part // steps), "MouseMoveEvent")
        yield 0.05
    _mouse(widget, (x1, y1), "LeftButtonReleaseEvent")


def click(widget, place) -> None:
    """Click at a place of the world in a slice view."""
    for event in ("MouseMoveEvent", "LeftButtonPressEvent", "LeftButtonReleaseEvent"):
        _mouse(widget, _viewPoint(widget, place), event)


def _mouse(widget, point: tuple[int, int], event: str) -> None:
    interactor = widget.sliceView().interactor()
    interactor.SetEventInformation(*point)
    interactor.InvokeEvent(event)


def _viewPoint(widget, place) -> tuple[int, int]:
    import vtk

    inverse = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(widget.mrmlSliceNode().GetXYToRAS(), inverse)
    x, y = inverse.MultiplyPoint((*place, 1.0))[:2]
    return round(x), round(y)


def drawnOver(volume) -> list[str]:
    """Names of this extension's results that are drawn in the views of a volume."""
    from watch.overlay_check import isDrawn, isResult

    views = [widget.mrmlSliceNode() for widget in viewsOf(volume)]
    nodes = [n for n in slicer.util.getNodesByClass("vtkMRMLDisplayableNode") if not n.IsA("vtkMRMLVolumeNode")]
    drawn = [node.GetName() for node in nodes if isResult(node) and any(isDrawn(node, view) for view in views)]
    uppers = [widget.mrmlSliceCompositeNode().GetForegroundVolumeID() for widget in viewsOf(volume)]
    return drawn + [slicer.mrmlScene.GetNodeByID(upper).GetName() for upper in uppers if upper]


def quit(code: int) -> None:
    """End the application."""
    qt.QTimer.singleShot(0, lambda: slicer.app.exit(code))
