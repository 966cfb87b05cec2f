"""A small, strict stand-in for the Slicer application: the real MRML of slicer-core under PySide6 widgets.

`install()` provides the modules `qt`, `ctk` and the missing parts of `slicer`. Widgets offer only what real Slicer has
(`reference/slicer_api.json`, held against them by test_harness_api.py); where a slot raises, the running test fails.
"""

from __future__ import annotations

import importlib.util
import sys

_installed = None


def missing() -> str:
    """Why the harness cannot run here, or ""."""
    for module, package in (("slicer", "slicer-core"), ("PySide6", "PySide6")):
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:  # a folder of that name, as `Testing/slicer`, is no package
            return f"{package} is not installed"
    return ""


def install(mainWindow: bool = True):
    """Set up `qt`, `ctk`, `slicer.app`, `slicer.mrmlScene`; returns `slicer.app`. Later calls change nothing."""
    global _installed
    if _installed is not None:
        return _installed
    from . import qtNamespace

    sys.modules["qt"] = qtNamespace.build()
    import slicer
    import slicer.util

    from . import ctkWidgets, signatures

    signatures.guard(slicer.util)
    sys.modules["ctk"] = ctkWidgets.build()
    from . import (
        application,
        layoutManager,
        mrmlWidgets,
        parameterNode,
        plotView,
        sampleData,
        scriptedModule,
        sliceView,
    )

    for source in (mrmlWidgets, plotView, sliceView):
        for name in (n for n in dir(source) if n.startswith("qMRML")):
            setattr(slicer, name, getattr(source, name))
    slicer.qSlicerScriptedLoadableModule = scriptedModule.qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = scriptedModule.qSlicerScriptedLoadableModuleWidget
    for name, module in (
        ("ScriptedLoadableModule", scriptedModule.buildBase()),
        ("i18n", scriptedModule.buildTranslation()),
        ("parameterNodeWrapper", parameterNode.build()),
    ):
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    sys.modules["SampleData"] = sampleData.build()
    _installed = slicer.app = application.SlicerApplication()
    scene = application.makeScene(_installed)
    if mainWindow:
        _installed._layoutManager = layoutManager.LayoutManager(scene, _installed.applicationLogic())
    return _installed
