"""`slicer.app`, the scene with its logics, module manager and file reading: what starts with the real application."""

from __future__ import annotations

import os
import tempfile
import types
from pathlib import Path

import slicer
import vtk

from .qtNamespace import QtCore, QtWidgets
from .scriptedModule import qSlicerScriptedLoadableModule


class SlicerApplication(QtWidgets.QApplication):
    """The parts of qSlicerApplication that the panels and `slicer.util` need."""

    startupCompleted = QtCore.Signal()
    renderPaused = QtCore.Property(bool, lambda self: False)

    def __init__(self) -> None:
        super().__init__(["harness"])
        self.organizationName, self.applicationName = "harness", "Slicer"
        self._temporary = tempfile.TemporaryDirectory(prefix="harness-")
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        QtCore.QSettings.setPath(
            QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, self._temporary.name
        )
        self.quitOnLastWindowClosed = False
        self._logic, self._layoutManager = slicer.vtkSlicerApplicationLogic(), None
        self._logic.SetHomeDirectory(self._temporary.name)
        self._logic.SetShareDirectory("share")
        (Path(self._temporary.name) / "share" / "ColorFiles").mkdir(parents=True)  # no colour files beside the built-in
        self._io, self._modules = CoreIOManager(), ModuleManager()
        self._startup = dict(os.environ)

    def mrmlScene(self):
        return slicer.mrmlScene

    def applicationLogic(self):
        return self._logic

    def layoutManager(self):
        return self._layoutManager

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def coreIOManager(self) -> CoreIOManager:
        return self._io

    def ioManager(self) -> CoreIOManager:
        return self._io

    def testingEnabled(self) -> bool:
        return True

    def startupEnvironment(self):
        environment = QtCore.QProcessEnvironment()
        for name, value in self._startup.items():
            environment.insert(name, value)
        return environment

    def userSettings(self):
        return QtCore.QSettings()

    def pauseRender(self) -> None:
        """The views paint when Qt asks them."""

    def resumeRender(self) -> None:
        """The views paint when Qt asks them."""

    temporaryPath = QtCore.Property(str, lambda self: self._temporary.name)


class ModuleManager(QtCore.QObject):
    """Loads scripted modules by name; they become `slicer.modules.<lower case>`."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, qSlicerScriptedLoadableModule] = {}
        self._selected = ""

    def module(self, name: str):
        return self._modules.get(name)

    def modulesNames(self) -> tuple:
        return tuple(self._modules)

    def load(self, name: str, folder: Path) -> qSlicerScriptedLoadableModule:
        """Harness only: what the module factory does."""
        module = qSlicerScriptedLoadableModule(name, folder / f"{name}.py")
        self._modules[name] = module
        setattr(slicer.modules, name.lower(), module)
        return module

    def select(self, name: str) -> None:
        """Harness only: the user switches to a module, "" for one of the application's own."""
        if self._selected:
            self._modules[self._selected].widgetRepresentation().exit()
            self._modules[self._selected].widgetRepresentation().hide()
        self._selected = name
        if name:
            self._modules[name].widgetRepresentation().show()
            self._modules[name].widgetRepresentation().enter()

    def unload(self) -> None:
        """Harness only: forget every module, closing its panel."""
        for name, module in self._modules.items():
            self.moduleAboutToBeUnloaded.emit(name)
            if module._widget is not None:
                module._widget.deleteLater()
                delattr(slicer.modules, f"{name}Widget")
            delattr(slicer.modules, name.lower())
        self._modules.clear()
        self._selected = ""


class CoreIOManager:
    """Reads volumes through the real volumes logic."""

    def fileType(self, path: str) -> str:
        return "VolumeFile"

    def loadNodes(self, fileType: str, properties: dict, loaded=None, messages=None) -> bool:
        path = properties["fileName"]
        name = properties.get("name") or Path(path).name.split(".")[0]
        options = 4 if properties.get("singleFile") else 0  # numbered files are one volume otherwise
        node = slicer.modules.volumes.logic().AddArchetypeVolume(path, name, options)
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return node is not None


class _CppModule:
    """A loadable module that is there for its logic."""

    def __init__(self, logic) -> None:
        self._logic = logic

    def logic(self):
        return self._logic


class SubjectHierarchyFiller:
    """Slicer's subject hierarchy plugins give every visible data node an item, and take it away with the node; they are Qt
    code, so this does it here."""

    def __init__(self, scene) -> None:
        self.scene = scene
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._added)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._removed)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _added(self, caller, event, node) -> None:
        shown = isinstance(node, slicer.vtkMRMLStorableNode) and not node.GetHideFromEditors()
        if shown and not isinstance(node, slicer.vtkMRMLColorNode):
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)
            if not hierarchy.GetItemByDataNode(node):
                hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _removed(self, caller, event, node) -> None:
        if self.scene.IsClosing() or not isinstance(node, slicer.vtkMRMLStorableNode):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)


def makeScene(application: SlicerApplication):
    """The scene with colours, selection and module logics, as at application start."""
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    logic = application.applicationLogic()
    slicer.modules = types.SimpleNamespace()
    logics = {
        "Colors": slicer.vtkSlicerColorLogic, "Volumes": slicer.vtkSlicerVolumesLogic, "Plots": slicer.vtkSlicerPlotsLogic,
        "Tables": slicer.vtkSlicerTablesLogic, "Markups": slicer.vtkSlicerMarkupsLogic,
        "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic, "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    }  # fmt: skip
    for name, kind in logics.items():
        module = kind()
        if hasattr(module, "SetMRMLApplicationLogic"):
            module.SetMRMLApplicationLogic(logic)
        logic.SetModuleLogic(name, module)
        setattr(slicer.modules, name.lower(), _CppModule(module))
    logic.SetMRMLScene(scene)
    for name in logics:
        getattr(slicer.modules, name.lower()).logic().SetMRMLScene(scene)
    slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
    application._filler = SubjectHierarchyFiller(scene)
    return scene
