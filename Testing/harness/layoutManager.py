"""A stand-in for qSlicerLayoutManager: the real vtkMRMLLayoutLogic decides, this class makes the widgets.

As there, a layout that was not registered shows no views at all, and asking for the current one again does nothing.
"""

from __future__ import annotations

import slicer
import vtk

from .mrmlWidgets import qMRMLTableView
from .plotView import qMRMLPlotWidget
from .qtNamespace import QtCore, QtWidgets
from .sliceView import qMRMLSliceWidget

OWN_LAYOUTS = 100  # those of the application have smaller numbers
OWN_VIEWS = ("Red", "Green", "Yellow", "1", "PlotView1", "TableView1")  # names of the views that it begins with


class LayoutManager(QtCore.QObject):
    """Views of the main window."""

    layoutChanged = QtCore.Signal(int)

    def __init__(self, scene, applicationLogic) -> None:
        super().__init__()
        self._scene = scene
        self._widgets: dict[str, QtWidgets.QWidget] = {}
        self._viewport = QtWidgets.QWidget()
        self._viewport.resize(900, 700)
        frame = QtWidgets.QVBoxLayout(self._viewport)
        frame.setContentsMargins(0, 0, 0, 0)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        self._sliceLogics = vtk.vtkCollection()
        applicationLogic.SetSliceLogics(self._sliceLogics)
        self._arranged = None
        self._logic.GetLayoutNode().AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._arrange())
        for event in (slicer.vtkMRMLScene.EndBatchProcessEvent, slicer.vtkMRMLScene.EndCloseEvent):
            scene.AddObserver(event, lambda *_: self._arrange())
        scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, lambda *_: self._clear())
        self._arrange()

    def layoutLogic(self):
        return self._logic

    def setLayout(self, identifier: int) -> None:
        node = self._logic.GetLayoutNode()
        if node.GetViewArrangement() != identifier:
            known = node.IsLayoutDescription(identifier)
            node.SetViewArrangement(identifier if known else slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)

    def viewport(self):
        return self._viewport

    def mrmlSliceLogics(self):
        return self._sliceLogics

    def sliceViewNames(self) -> tuple:
        return tuple(w.mrmlSliceNode().GetLayoutName() for w in self._shown() if isinstance(w, qMRMLSliceWidget))

    def sliceWidget(self, name: str):
        widgets = [w for w in self._widgets.values() if isinstance(w, qMRMLSliceWidget)]
        return next((w for w in widgets if w.mrmlSliceNode().GetLayoutName() == name), None)

    def plotWidget(self, index: int):
        plots = [w for w in self._shown() if isinstance(w, qMRMLPlotWidget)]
        return plots[index] if index < len(plots) else None

    def resetSliceViews(self) -> None:
        for widget in self._shown():
            if isinstance(widget, qMRMLSliceWidget):
                widget.fitSliceToBackground()

    layout = QtCore.Property(int, lambda self: self._logic.GetLayoutNode().GetViewArrangement())
    plotViewCount = QtCore.Property(int, lambda self: sum(isinstance(w, qMRMLPlotWidget) for w in self._shown()))

    def _shown(self) -> list:
        nodes = self._logic.GetViewNodes()
        ids = [nodes.GetItemAsObject(i).GetID() for i in range(nodes.GetNumberOfItems())]
        return [self._widgets[i] for i in ids if i in self._widgets]

    def _arrange(self) -> None:
        root = self._logic.GetLayoutNode().GetLayoutRootElement()
        state = (self._logic.GetLayoutNode().GetViewArrangement(), root)
        if state == self._arranged or self._scene.IsBatchProcessing():
            return
        self._clear()
        self._arranged = state
        if root is not None:
            self._viewport.layout().addWidget(self._build(root))
        self.layoutChanged.emit(state[0])

    def _clear(self) -> None:
        """No views are shown; they are kept for the next layout that has them."""
        self._arranged = None
        old = self._viewport.layout().takeAt(0)
        for widget in self._widgets.values():
            widget.setParent(None)
        if old is not None:
            old.widget().deleteLater()

    def _restart(self) -> None:
        """Harness only: as after the start of the application, whatever an earlier test registered and opened."""
        node = self._logic.GetLayoutNode()
        node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutInitialView)
        for identifier in [n for n in node.GetLayoutIndices() if n > OWN_LAYOUTS]:
            node.SetLayoutDescription(identifier, "")
        self._clear()
        self._sliceLogics.RemoveAllItems()
        for widget in self._widgets.values():
            widget._close() if isinstance(widget, qMRMLSliceWidget) else widget.deleteLater()
        self._widgets.clear()
        for kind in ("vtkMRMLAbstractViewNode", "vtkMRMLSliceCompositeNode"):
            for view in slicer.util.getNodesByClass(kind):
                if view.GetLayoutName() not in OWN_VIEWS:
                    self._scene.RemoveNode(view)
        self._arrange()

    def _build(self, element):
        if element.GetName() == "view":
            return self._view(element)
        kind = element.GetAttribute("type") or "horizontal"
        items = [element.GetNestedElement(i) for i in range(element.GetNumberOfNestedElements())]
        box = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.spacing = 2
        for n, item in enumerate(items):
            child = self._build(item.GetNestedElement(0))
            row, column = (n, 0) if kind == "vertical" else (0, n)
            if kind == "grid":
                row, column = int(item.GetAttribute("row") or 0), int(item.GetAttribute("column") or 0)
            grid.addWidget(child, row, column)
            grid.setRowStretch(row, int(item.GetAttribute("splitSize") or 1) if kind == "vertical" else 1)
            grid.setColumnStretch(column, int(item.GetAttribute("splitSize") or 1) if kind == "horizontal" else 1)
            child.show()
        return box

    def _view(self, element):
        kind, tag = element.GetAttribute("class"), element.GetAttribute("singletontag") or ""
        node = self._scene.GetSingletonNode(tag, kind) or self._scene.GetFirstNodeByClass(kind)
        if node is None or node.GetID() not in self._widgets:
            widget = self._make(kind, node)
            if node is None:
                return widget
            self._widgets[node.GetID()] = widget
        return self._widgets[node.GetID()]

    def _make(self, kind: str, node):
        if kind == "vtkMRMLSliceNode":
            widget = qMRMLSliceWidget()
            widget.setMRMLScene(self._scene)
            widget.setMRMLSliceNode(node)
            self._sliceLogics.AddItem(widget.sliceLogic())
        elif kind == "vtkMRMLPlotViewNode":
            widget = qMRMLPlotWidget()
            widget.setMRMLScene(self._scene)
            widget.setMRMLPlotViewNode(node)
        elif kind == "vtkMRMLTableViewNode":
            widget = qMRMLTableView()
            widget.setMRMLScene(self._scene)
            widget.setMRMLTableViewNode(node)
        else:
            widget = QtWidgets.QLabel("3D")
            widget.alignment = QtCore.Qt.AlignmentFlag.AlignCenter
            widget.styleSheet = "background: #c1c3e8; color: black;"
        return widget
