"""Layouts known from the application's start: scenes saved in one open with its views, also in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import slicer
from scaffold import phantoms
from scaffold.radiographs import PEAC, RadiographServer
from scaffold.restoring import GENESIS

ROOT = Path(__file__).resolve().parents[2]
FRESH = """
import json, sys
from pathlib import Path
root, scene = Path(sys.argv[1]), sys.argv[2]
sys.path[:0] = [str(root / part) for part in ("Testing", "MedSSLPretrain", "MedSSLInference")]
import harness
app = harness.install()
import slicer
app.moduleManager().load("MedSSLInference", root / "MedSSLInference")
app.startupCompleted.emit()
slicer.mrmlScene.SetURL(scene)
assert slicer.mrmlScene.Connect() if sys.argv[3] == "connect" else slicer.mrmlScene.Import()
for _loop in range(3):
    app.processEvents()
manager = app.layoutManager()
shown = {}
for name in manager.sliceViewNames():
    widget = manager.sliceWidget(name)
    below = slicer.mrmlScene.GetNodeByID(widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() or "")
    shown[name] = [below.GetName() if below else None, round(widget.mrmlSliceNode().GetSliceOffset(), 2)]
print("SHOWN", json.dumps({"layout": manager.layout, "views": shown, "plots": manager.plotViewCount}))
"""


@pytest.fixture
def logic(make_logic):
    return make_logic("MedSSLInference", RadiographServer())


def seen() -> dict:
    """What the views of this process show."""
    manager, shown = slicer.app.layoutManager(), {}
    for name in manager.sliceViewNames():
        widget = manager.sliceWidget(name)
        below = slicer.mrmlScene.GetNodeByID(widget.mrmlSliceCompositeNode().GetBackgroundVolumeID())
        shown[name] = [below.GetName(), round(widget.mrmlSliceNode().GetSliceOffset(), 2)]
    return {"layout": manager.layout, "views": shown, "plots": manager.plotViewCount}


def reopened(scene, folder: Path, how: str = "import") -> dict:
    """What a fresh process shows of the scene, in which the panel was never opened."""
    folder.mkdir()
    for number, node in enumerate(slicer.util.getNodesByClass("vtkMRMLStorableNode")):
        if isinstance(node, slicer.vtkMRMLScalarVolumeNode):
            node.AddDefaultStorageNode()
            node.GetStorageNode().SetFileName(str(folder / f"node-{number}.nrrd"))
            assert node.GetStorageNode().WriteData(node)
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()
    command = [sys.executable, "-c", FRESH, str(ROOT), str(folder / "scene.mrml"), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("SHOWN ")]
    assert lines, done.stderr[-2000:]
    return json.loads(lines[0].removeprefix("SHOWN "))


@pytest.mark.parametrize("how", ["import", "connect"])
def test_a_restoration_reopens_as_it_was_seen(logic, scene, tmp_path, how):
    from MedSSLInferenceLib.views.restorationLayout import fourUpSteps
    from MedSSLLib.steps import runSteps

    runSteps(fourUpSteps(logic.restore(phantoms.volume("ct"), GENESIS), slicer.app.layoutManager()))
    before = seen()
    assert [name for name, _offset in before["views"].values()] == [
        "ct original",
        "ct distorted",
        "ct restored",
        "ct error",
    ]
    assert all(offset for _name, offset in before["views"].values())
    assert reopened(scene, tmp_path / "kept", how) == before


@pytest.mark.parametrize(("count", "withMap"), [(2, False), (3, True)])
def test_radiographs_reopen_side_by_side(logic, scene, tmp_path, count, withMap):
    from MedSSLInferenceLib.views.radiographLayout import groupViewSteps
    from MedSSLLib.steps import runSteps

    nodes = [phantoms.radiograph(f"image {n}", seed=n, origin=4.0 * (n + 1)) for n in range(count)]
    compared = logic.patchmap(nodes, PEAC) if withMap else logic.correspond(nodes, PEAC)
    runSteps(groupViewSteps(compared.group, slicer.app.layoutManager(), 0.5, withMap))
    before = seen()
    assert len(before["views"]) == count and before["plots"] == int(withMap)
    assert reopened(scene, tmp_path / "kept") == before


def test_a_preview_has_views_of_its_own(harness):
    """Views are singletons, and keep the group of the layout that was seen first."""
    from MedSSLInferenceLib.views.layouts import descriptions
    from MedSSLPretrainLib.views.previewLayout import VIEWS

    assert not any(f'"{name}"' in xml for name in VIEWS for xml in descriptions().values())


@pytest.mark.complains("Can't find layout")
def test_a_scene_loaded_before_the_layouts_were_known(scene, load_module):
    from MedSSLInferenceLib.views.layouts import registerLayouts
    from MedSSLInferenceLib.views.restorationLayout import LAYOUT_ID

    manager = slicer.app.layoutManager()
    node = manager.layoutLogic().GetLayoutNode()
    if node.IsLayoutDescription(LAYOUT_ID):
        node.SetLayoutDescription(LAYOUT_ID, "")
    node.SetViewArrangement(LAYOUT_ID)
    registerLayouts(manager)
    assert manager.sliceViewNames() == ("MedSSLOriginal", "MedSSLDistorted", "MedSSLRestored", "MedSSLError")
