"""Slicer's `slicer.ScriptedLoadableModule`, `slicer.i18n` and the C++ side that loads a scripted module."""

from __future__ import annotations

import importlib
import sys
import types
import unittest
from pathlib import Path

import slicer
import vtk

from .qtNamespace import QtGui, QtWidgets


class ScriptedLoadableModule:
    """Base of the module class: what the module list shows."""

    def __init__(self, parent) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        return ""

    def runTest(self, msec: int = 100, **kwargs) -> None:
        test = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        test.runTest()


class ScriptedLoadableModuleWidget:
    """Base of the panel: `parent` is the widget to fill and `layout` its layout."""

    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        if parent is None:
            self.parent = QtWidgets.QWidget()
            QtWidgets.QVBoxLayout(self.parent)
        else:
            self.parent = parent
        self.layout = self.parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self) -> None:
        """What the button of developer mode does."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def resourcePath(self, filename: str) -> str:
        return str(Path(sys.modules[type(self).__module__].__file__).parent / "Resources" / filename)

    def setup(self) -> None:
        """The reload section exists in developer mode only."""

    def cleanup(self) -> None:
        """Overridden where a module holds something."""

    def enter(self) -> None:
        """Overridden where a module needs it."""

    def exit(self) -> None:
        """Overridden where a module needs it."""


class ScriptedLoadableModuleLogic:
    """Base of the logic: one parameter node in the scene."""

    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        tag = self.moduleName
        node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLScriptedModuleNode")
        return node if node is not None else self.createParameterNode()

    def createParameterNode(self):
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetName(self.moduleName)
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of the self-test."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.messageDelay = 0

    def runTest(self) -> None:
        """Overridden by the module."""

    def delayDisplay(self, message: str, requestedDelay=None, msec=None) -> None:
        """Tests do not wait."""


class qSlicerScriptedLoadableModuleWidget(QtWidgets.QWidget):
    """The C++ panel that holds the Python one."""

    def __init__(self, className: str) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._className, self._python = className, None
        self._instantiate()

    def self(self):
        return self._python

    def reload(self) -> None:
        """A new Python panel of the source as it is now; what the old one put into this widget stays, hidden."""
        self._instantiate()

    def enter(self) -> None:
        self._python.enter()

    def exit(self) -> None:
        self._python.exit()

    def _instantiate(self) -> None:
        source = sys.modules[self._className.removesuffix("Widget")]
        self._python = getattr(source, self._className)(self)
        setattr(slicer.modules, self._className, self._python)
        self._python.setup()


class qSlicerScriptedLoadableModule:
    """The C++ module that holds the Python one; attributes are what a module class sets on `self.parent`."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, str(path)
        self.title, self.categories, self.dependencies, self.contributors = name, [], [], []
        self.helpText, self.acknowledgementText, self.hidden, self.icon = "", "", False, QtGui.QIcon()
        self._widget = None
        self._module = getattr(importlib.import_module(name), name)(self)

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        if self._widget is None:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        return qSlicerScriptedLoadableModuleWidget(f"{self.name}Widget")


def buildBase() -> types.ModuleType:
    """Make the `slicer.ScriptedLoadableModule` module."""
    import ctk
    import qt

    module = types.ModuleType("slicer.ScriptedLoadableModule")
    names = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    for thing in names:
        setattr(module, thing.__name__, thing)
    module.qt, module.ctk, module.slicer, module.vtk, module.unittest = qt, ctk, slicer, vtk, unittest
    return module


def buildTranslation() -> types.ModuleType:
    """Make the `slicer.i18n` module; tests run in the source language."""
    module = types.ModuleType("slicer.i18n")
    module.tr = lambda text: text
    module.translate = lambda context, text: text
    return module
