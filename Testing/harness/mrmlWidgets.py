"""Stand-ins for the qMRML widgets that choose and show nodes."""

from __future__ import annotations

import slicer
import vtk

from .qtNamespace import QtCore, QtGui, QtWidgets, emitter, registerCustomWidget


class SceneWatcher:
    """Calls back when nodes come and go; one per widget, freed with it."""

    def __init__(self, scene, callback) -> None:
        self.scene = scene
        events = (
            slicer.vtkMRMLScene.NodeAddedEvent,
            slicer.vtkMRMLScene.NodeRemovedEvent,
            slicer.vtkMRMLScene.EndCloseEvent,
        )
        self.tags = [scene.AddObserver(event, lambda *_: callback()) for event in events]

    def stop(self, *_destroyed) -> None:
        for tag in self.tags:
            self.scene.RemoveObserver(tag)
        self.tags = []


class _SceneAware:
    """What every qMRML widget has: a scene."""

    _scene, _watcher = None, None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        if self._watcher is not None:
            self._watcher.stop()
        self._scene = scene
        self._watcher = SceneWatcher(scene, self._sceneEvent) if scene is not None else None
        if self._watcher is not None:
            self.destroyed.connect(self._watcher.stop)
        self._sceneEvent()
        if hasattr(self, "mrmlSceneChanged"):
            self.mrmlSceneChanged.emit(scene)

    def _sceneEvent(self) -> None:
        """A node was added or removed."""


@registerCustomWidget
class qMRMLWidget(_SceneAware, QtWidgets.QWidget):
    """Root of a panel; hands its scene to the children that the .ui file connects to it."""

    mrmlSceneChanged = emitter(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)


class _NodeFilter(QtCore.QObject):
    """The part of qMRMLSortFilterProxyModel that hides single nodes from a selector."""

    def __init__(self, selector) -> None:
        super().__init__(selector)
        self._selector, self._hidden = selector, []

    def _hide(self, ids) -> None:
        self._hidden = list(ids)
        self._selector._sceneEvent()

    hiddenNodeIDs = QtCore.Property("QStringList", lambda self: tuple(self._hidden), _hide)


class _NodeSelector(_SceneAware):
    """The node list shared by both combo boxes."""

    def _prepare(self) -> None:
        self._nodeTypes, self._noneEnabled, self._settings, self._ids = [], False, {}, []
        self._filter = _NodeFilter(self)

    def sortFilterProxyModel(self) -> _NodeFilter:
        return self._filter

    def _candidates(self) -> list:
        if self._scene is None:
            return []
        found = []
        for kind in self._nodeTypes:
            nodes = self._scene.GetNodesByClass(kind)
            nodes.UnRegister(None)
            listed = [nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems())]
            found += [node for node in listed if node not in found]  # a derived class may be named too
        exact = self._settings.get("showChildNodeTypes", True)
        found = [node for node in found if node.GetID() not in self._filter.hiddenNodeIDs]
        return [n for n in found if not n.GetHideFromEditors() and (exact or n.GetClassName() in self._nodeTypes)]

    def nodeCount(self) -> int:
        return len(self._candidates())

    def nodeFromIndex(self, index: int):
        return self._candidates()[index]


def _stored(kind, name, default):
    """A property that only keeps its value."""
    return QtCore.Property(
        kind,
        lambda self: self._settings.get(name, default),
        lambda self, value: self._settings.__setitem__(name, value),
    )


@registerCustomWidget
class qMRMLNodeComboBox(_NodeSelector, QtWidgets.QWidget):
    """Choose one node."""

    currentNodeChanged = emitter(object)
    currentNodeIDChanged = emitter(str)
    nodeAddedByUser = emitter(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._prepare()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox(self)
        layout.addWidget(self._combo)
        self._combo.currentIndexChanged.connect(self._announce)

    def currentNode(self):
        return self._scene.GetNodeByID(self.currentNodeID) if self._scene is not None and self.currentNodeID else None

    def setCurrentNode(self, node) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, nodeID: str) -> None:
        self._combo.currentIndex = self._ids.index(nodeID or "") if (nodeID or "") in self._ids else -1

    def addNode(self, nodeType: str = ""):
        node = self._scene.AddNewNodeByClass(nodeType or self._nodeTypes[0], self._settings.get("baseName", ""))
        self.setCurrentNode(node)
        return node

    def _sceneEvent(self) -> None:
        before = self.currentNodeID
        self._combo.blockSignals(True)
        self._combo.clear()
        nodes = self._candidates()
        self._ids = ([""] if self._noneEnabled else []) + [n.GetID() for n in nodes]
        self._combo.addItems((["None"] if self._noneEnabled else []) + [n.GetName() for n in nodes])
        self._combo.currentIndex = self._ids.index(before) if before in self._ids else (0 if self._ids else -1)
        self._combo.blockSignals(False)
        if self.currentNodeID != before:
            self._announce()

    def _announce(self, *_) -> None:
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(self.currentNodeID)

    def _getID(self) -> str:
        index = self._combo.currentIndex
        return self._ids[index] if 0 <= index < len(self._ids) else ""

    def _setTypes(self, types) -> None:
        self._nodeTypes = list(types)
        self._sceneEvent()

    def _setNone(self, enabled: bool) -> None:
        self._noneEnabled = enabled
        self._sceneEvent()

    currentNodeID = QtCore.Property(str, _getID, setCurrentNodeID)
    nodeTypes = QtCore.Property("QStringList", lambda self: self._nodeTypes, _setTypes)
    noneEnabled = QtCore.Property(bool, lambda self: self._noneEnabled, _setNone)
    noneDisplay = _stored(str, "noneDisplay", "None")
    addEnabled = _stored(bool, "addEnabled", True)
    removeEnabled = _stored(bool, "removeEnabled", True)
    renameEnabled = _stored(bool, "renameEnabled", False)
    editEnabled = _stored(bool, "editEnabled", False)
    selectNodeUponCreation = _stored(bool, "selectNodeUponCreation", True)
    showChildNodeTypes = _stored(bool, "showChildNodeTypes", True)
    showHidden = _stored(bool, "showHidden", False)
    baseName = _stored(str, "baseName", "")


@registerCustomWidget
class qMRMLCheckableNodeComboBox(_NodeSelector, QtWidgets.QWidget):
    """Choose several nodes by ticking them."""

    checkedNodesChanged = emitter()
    currentNodeChanged = emitter(object)
    nodeAdded = emitter(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._prepare()
        self._checked: set[str] = set()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.placeholderText = " "
        layout.addWidget(self._combo)

    def checkedNodes(self) -> tuple:
        return tuple(n for n in self._candidates() if n.GetID() in self._checked)

    def uncheckedNodes(self) -> tuple:
        return tuple(n for n in self._candidates() if n.GetID() not in self._checked)

    def checkState(self, node):
        return QtCore.Qt.CheckState.Checked if node.GetID() in self._checked else QtCore.Qt.CheckState.Unchecked

    def setCheckState(self, node, state) -> None:
        before = set(self._checked)
        (self._checked.add if state == QtCore.Qt.CheckState.Checked else self._checked.discard)(node.GetID())
        if before != self._checked:
            self._sceneEvent()
            self.checkedNodesChanged.emit()

    def check(self, node) -> None:
        self.setCheckState(node, QtCore.Qt.CheckState.Checked)

    def uncheck(self, node) -> None:
        self.setCheckState(node, QtCore.Qt.CheckState.Unchecked)

    def _sceneEvent(self) -> None:
        names = [n.GetName() for n in self.checkedNodes()]
        self._combo.clear()
        self._combo.addItems([n.GetName() for n in self._candidates()])
        self._combo.placeholderText = ", ".join(names) or " "
        self._combo.currentIndex = -1
        self._checked &= {n.GetID() for n in self._candidates()}  # and nobody is told, as there
        before, self._ids = self._ids, [n.GetID() for n in self._candidates()]
        for added in (n for n in self._candidates() if n.GetID() not in before):
            self.nodeAdded.emit(added)

    def _setTypes(self, types) -> None:
        self._nodeTypes = list(types)
        self._sceneEvent()

    nodeTypes = QtCore.Property("QStringList", lambda self: self._nodeTypes, _setTypes)
    noneEnabled = _stored(bool, "noneEnabled", False)
    addEnabled = _stored(bool, "addEnabled", True)
    removeEnabled = _stored(bool, "removeEnabled", True)
    renameEnabled = _stored(bool, "renameEnabled", False)
    showChildNodeTypes = _stored(bool, "showChildNodeTypes", True)


@registerCustomWidget
class qMRMLTableView(_SceneAware, QtWidgets.QTableView):
    """Shows a vtkMRMLTableNode."""

    mrmlSceneChanged = emitter(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._table, self._tag, self._viewNode = None, None, None
        self.setModel(QtGui.QStandardItemModel(self))
        self.verticalHeader().visible = False

    def mrmlTableNode(self):
        return self._table

    def setMRMLTableNode(self, node) -> None:
        if self._table is not None:
            self._table.RemoveObserver(self._tag)
        self._table = node
        if node is not None:
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._fill())
        self._fill()

    def mrmlTableViewNode(self):
        return self._viewNode

    def setMRMLTableViewNode(self, node) -> None:
        self._viewNode = node
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._follow())
        self._follow()

    def _follow(self) -> None:
        if self._viewNode.GetTableNode() is not self._table:
            self.setMRMLTableNode(self._viewNode.GetTableNode())

    def _fill(self) -> None:
        model = self.model()
        model.clear()
        if self._table is None:
            return
        table = self._table.GetTable()
        columns = [table.GetColumn(c) for c in range(table.GetNumberOfColumns())]
        model.setHorizontalHeaderLabels([c.GetName() or "" for c in columns])
        for row in range(table.GetNumberOfRows()):
            model.appendRow([QtGui.QStandardItem(c.GetVariantValue(row).ToString()) for c in columns])
        self.resizeColumnsToContents()
