"""The stand-in reloads modules and closes panels as the application does: what nobody disconnected stays alive."""

from __future__ import annotations

import gc
import sys
import weakref

import harness as harness_package
import pytest

pytestmark = pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
MODULE = """
import qt
import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import *

class Toy(ScriptedLoadableModule):
    pass

@parameterNodeWrapper
class ToyParameterNode:
    title: str = "first"
    count: int = 3
    volume: slicer.vtkMRMLScalarVolumeNode

class ToyWidget(ScriptedLoadableModuleWidget):
    tidy = {tidy}
    def setup(self):
        super().setup()
        self.logic = ToyLogic()
        self.seen = []
        self.edit = qt.QLineEdit()
        self.edit.setProperty("SlicerParameterName", "title")
        self.layout.addWidget(self.edit)
        self.node = ToyParameterNode(self.logic.getParameterNode())
        self.tag = self.node.connectGui(self.parent)
        self.sceneTag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.EndCloseEvent, self.closed)
    def closed(self, *_):
        self.seen.append("closed")
    def cleanup(self):
        if self.tidy:
            self.node.disconnectGui(self.tag)
            slicer.mrmlScene.RemoveObserver(self.sceneTag)

class ToyLogic(ScriptedLoadableModuleLogic):
    pass
"""


@pytest.fixture
def toy(scene, qapp, tmp_path, monkeypatch):
    """Loads the module from a file, tidy or not; its Python panel."""

    def load(tidy: bool):
        (tmp_path / "Toy.py").write_text(MODULE.format(tidy=tidy))
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop("Toy", None)
        qapp.moduleManager().load("Toy", tmp_path)
        import slicer

        return slicer.util.getModuleWidget("Toy")

    yield load
    qapp.moduleManager().unload()
    sys.modules.pop("Toy", None)


def observers(thing) -> int:
    from watch.observers import observersOf

    gc.collect()
    return len(observersOf(thing))


def test_a_reload_makes_a_new_panel_of_the_new_source_in_the_old_ones_place(toy, tmp_path):
    import slicer

    first = toy(tidy=True)
    (tmp_path / "Toy.py").write_text(MODULE.format(tidy=True) + "\nWORD = 'new'\n")
    first.onReload()
    second = slicer.util.getModuleWidget("Toy")
    assert second is not first and second.parent is first.parent and sys.modules["Toy"].WORD == "new"
    assert slicer.modules.ToyWidget is second
    assert first.edit.isHidden() and not second.edit.isHidden(), "old widgets stay, hidden"
    assert first.edit.parent() is second.parent


@pytest.mark.parametrize("tidy", [True, False])
def test_what_cleanup_does_not_disconnect_outlives_the_reload(toy, tidy, scene):
    import slicer

    first = toy(tidy)
    node = first.node.parameterNode
    gone, seen, before, tag = weakref.ref(first.node), first.seen, observers(node), first.sceneTag
    first.onReload()
    del first
    gc.collect()
    scene.Clear(0)
    assert (gone() is None) == tidy and bool(seen) != tidy
    grown = observers(node) - before
    assert grown == 0 if tidy else grown > 0
    assert slicer.util.getModuleWidget("Toy").seen == ["closed"]
    if not tidy:
        gone().disconnectGui(0)
        scene.RemoveObserver(tag)
        slicer.util.getModuleWidget("Toy").tidy = True


def test_a_wrapper_observes_its_node_once_for_each_plain_parameter(toy):
    panel = toy(tidy=True)
    node = panel.node.parameterNode
    panel.cleanup()
    before = observers(node)
    wrapper = type(panel.node)(node)
    assert observers(node) == before + 2
    node.SetParameter("title", '"other"')
    assert wrapper.title == "other"
    del wrapper
    gc.collect()
    assert observers(node) == before


def test_widgets_do_not_answer_while_they_follow_the_node(toy):
    panel = toy(tidy=True)
    panel.node.title = "node"
    assert panel.edit.text == "node"
    panel.edit.text = "widget"
    assert panel.node.title == "widget"
    panel.cleanup()
    panel.edit.text = "after"
    assert panel.node.title == "widget"


def test_unloading_a_module_cleans_its_panel_up_once(toy, qapp):
    panel, calls = toy(tidy=True), []
    before = panel.cleanup
    panel.cleanup = lambda: (calls.append(1), before())
    qapp.moduleManager().unload()
    qapp.moduleManager().unload()
    assert calls == [1]
