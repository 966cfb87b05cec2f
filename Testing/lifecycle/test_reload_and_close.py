"""Modules over a long day: reloaded, switched and their scenes closed many times, nothing grows and nothing old answers."""

from __future__ import annotations

import pytest
import slicer
from watch.observers import living, observerCounts

MODULES = ("MedSSLPretrain", "MedSSLInference")
PARTS = {
    "MedSSLPretrain": ("MedSSLPretrainWidget", "MedSSLPretrainLogic", "MedSSLPretrainParameterNode", "PretrainPanel", "DataBox",
                       "RunBox", "FinetuneBox", "JobHistory", "MethodBox", "BackendBox"),
    "MedSSLInference": ("MedSSLInferenceWidget", "MedSSLInferenceLogic", "MedSSLInferenceParameterNode", "InferencePanel",
                        "RestoreBox", "RadiographBox", "SegmentBox", "PredictBox", "RetrieveBox", "ModelChoice", "BackendBox"),
}  # fmt: skip
ALL = [part for parts in PARTS.values() for part in parts]


@pytest.fixture
def modules(load_module, qapp, tmp_path, monkeypatch):
    """Both modules are loaded as at start, and opened once."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    monkeypatch.delenv("MEDSSL_PYTHON", raising=False)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)  # made when it is first asked for
    for name in MODULES:
        load_module(name)
    for name in MODULES:
        qapp.moduleManager().select(name)
    settle(qapp)
    return qapp.moduleManager()


def settle(qapp) -> None:
    """Run what waits, also deletions."""
    for _ in range(5):
        qapp.processEvents()
        qapp.sendPostedEvents(None, 52)  # QEvent.DeferredDelete


def state(names) -> dict:
    """What must not grow: the living parts of the panels, and the nodes of each class with who observes them."""
    return {**living(*names), **observerCounts()}


def grown(before: dict, names) -> list[str]:
    """What there is more of; what earlier tests have left may go meanwhile."""
    now = state(names)
    return [f"{key}: {now[key]}, before {before.get(key)}" for key in now if more(now[key], before.get(key))]


def more(now, before) -> bool:
    """Counts, or pairs of counts."""
    if isinstance(now, tuple):
        return any(a > b for a, b in zip(now, before or (0, 0)))
    return now > (before or 0)


def closeScene(qapp) -> None:
    slicer.mrmlScene.Clear(0)
    settle(qapp)


@pytest.mark.parametrize("name", MODULES)
def test_reloaded_ten_times(modules, qapp, name):
    modules.select(name)
    settle(qapp)
    before = state(PARTS[name])
    assert before[f"{name}Widget"] > 0
    for _ in range(10):
        slicer.util.getModuleWidget(name).onReload()
        settle(qapp)
    assert grown(before, PARTS[name]) == []


@pytest.mark.parametrize("name", MODULES)
def test_a_reload_and_then_a_closed_scene(modules, qapp, name):
    modules.select(name)
    for _ in range(3):
        slicer.util.getModuleWidget(name).onReload()
        closeScene(qapp)
    before = state(PARTS[name])
    for _ in range(3):
        slicer.util.getModuleWidget(name).onReload()
        closeScene(qapp)
    assert grown(before, PARTS[name]) == []


def test_the_scene_closed_ten_times(modules, qapp):
    closeScene(qapp)
    before = state(ALL)
    for _ in range(10):
        closeScene(qapp)
    assert grown(before, ALL) == []


def test_switched_a_hundred_times(modules, qapp):
    for name in (*MODULES, ""):
        modules.select(name)
    settle(qapp)
    before = state(ALL)
    for number in range(100):
        modules.select((*MODULES, "")[number % 3])
        qapp.processEvents()
    modules.select("")
    settle(qapp)
    assert grown(before, ALL) == []


@pytest.mark.parametrize("name", MODULES)
def test_a_panel_that_could_not_be_built_can_be_reloaded(modules, qapp, monkeypatch, name):
    modules.select(name)
    widget = slicer.util.getModuleWidget(name)
    kind = type(widget)
    monkeypatch.setattr(kind, "resourcePath", lambda self, path: "/nowhere/absent.ui")
    widget.cleanup()
    with pytest.raises(RuntimeError, match=r"absent\.ui"):
        widget.setup()
    monkeypatch.undo()
    widget.onReload()
    settle(qapp)
    assert slicer.util.getModuleWidget(name) is not widget and living(f"{name}Widget")[f"{name}Widget"] > 0
