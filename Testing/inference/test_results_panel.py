"""The section "Results" of the panel: clicked."""

from __future__ import annotations

import pytest
import qt
import slicer
from scaffold import phantoms
from scaffold.radiographs import RadiographServer
from watch.overlay_check import isDrawn


@pytest.fixture
def ready(make_inference, process_until):
    """Two radiographs and a CT, of which four results were made, the latest a restoration."""
    panel = make_inference(RadiographServer(), "radiographs")
    panel.images = [phantoms.radiograph("first"), phantoms.radiograph("second", seed=1)]
    panel.connect(process_until)
    for node in panel.images:
        panel.ui.imagesSelector.check(node)
    for button in (panel.ui.correspondButton, panel.ui.findButton, panel.ui.cosegmentButton):
        panel.finish(button, process_until)
    panel.box = panel.sections.results
    panel.ct = phantoms.volume("ct")
    panel.top.inputSelector.setCurrentNode(panel.ct)
    panel.choose("20261123-genesis-a1")
    panel.finish(panel.top.applyButton, process_until, panel.sections.restore)
    process_until(lambda: panel.box.ui.resultsTable.rowCount == 4)
    return panel


def rows(panel) -> list[list[str]]:
    table = panel.box.ui.resultsTable
    return [[table.item(row, column).text() for column in range(2)] for row in range(table.rowCount)]


def ticked(panel) -> dict[str, bool]:
    """Of each kind that is drawn over images."""
    table = panel.box.ui.resultsTable
    return {
        table.item(row, 0).text(): table.item(row, 0).checkState() == qt.Qt.Checked
        for row, result in enumerate(panel.box.results) if result.covers
    }  # fmt: skip


def choose(panel, kind: str) -> None:
    table = panel.box.ui.resultsTable
    table.setCurrentCell(next(row for row in range(table.rowCount) if table.item(row, 0).text() == kind), 1)


def test_they_are_listed_the_newest_first(ready, grab, nothing_cut):
    assert rows(ready) == [["Restoration", "ct"], ["Parts", "first, second"], ["Find", "first, second"],
                           ["Points", "first, second"]]  # fmt: skip
    assert ticked(ready) == {"Parts": True, "Find": False, "Points": False}
    card = ready.box.ui.resultsCard.text
    assert card.startswith("Restoration of ct. By chest run. Made 20")
    ready.grab(grab, "results")


def test_nothing_found_nothing_shown(make_inference):
    assert not make_inference(RadiographServer(), "restore").sections.results.ui.resultsSection.visible


def test_a_tick_shows_and_hides(ready, process_until):
    slicer.util.setSliceViewerLayers(background=ready.images[0], foreground=None)
    view = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    points = next(r for r in ready.box.results if r.kind == "points")
    item = ready.box.ui.resultsTable.item(3, 0)
    item.setCheckState(qt.Qt.Checked)
    assert isDrawn(points.overlays[0], view)
    item.setCheckState(qt.Qt.Unchecked)
    assert not isDrawn(points.overlays[0], view)
    points.overlays[0].GetDisplayNode().SetVisibility(True)
    process_until(lambda: ticked(ready)["Points"]), "hidden and shown in the Data module, the tick follows"


def test_show_brings_back_layout_views_and_section(ready, process_until):
    manager = slicer.app.layoutManager()
    assert manager.layout == 7310
    choose(ready, "Find")
    ready.box.ui.showResultButton.click()
    process_until(lambda: not ready.sections.radiographs.showing)
    assert manager.layout == 7320 and ticked(ready) == {"Parts": False, "Find": True, "Points": False}
    composite = manager.sliceWidget("MedSSLImage2").mrmlSliceCompositeNode()
    assert composite.GetForegroundVolumeID() == ready.sections.radiographs.group.get("heat", 1).GetID()
    choose(ready, "Restoration")
    ready.box.ui.showResultButton.click()
    process_until(lambda: not ready.sections.restore.showing)
    assert manager.layout == 7310 and ready.top.metricsTable.rowCount == 3


def test_clear_and_undo(ready, process_until):
    choose(ready, "Parts")
    ready.box.ui.clearButton.click()
    assert [row[0] for row in rows(ready)] == ["Restoration", "Find", "Points"]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    ready.box.ui.undoButton.click()
    assert [row[0] for row in rows(ready)] == ["Restoration", "Parts", "Find", "Points"]
    assert not ready.box.ui.undoButton.enabled and ready.box.ui.undoButton.toolTip == "Nothing was cleared"


def test_clear_all_leaves_the_users_nodes(ready, scene, process_until):
    mine = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "mine")
    ready.box.ui.clearAllButton.click()
    assert rows(ready) == [] and mine.GetScene() is scene and all(n.GetScene() is scene for n in ready.images)
    assert ready.box.ui.undoButton.enabled and not ready.box.ui.clearAllButton.enabled
    assert ready.box.ui.resultsSection.visible, "as long as something can be brought back"
    ready.box.ui.undoButton.click()
    assert len(rows(ready)) == 4


def test_an_image_that_is_gone(ready, scene, process_until):
    scene.RemoveNode(ready.images[1])
    process_until(lambda: rows(ready)[3] == ["Points", "first, (removed)"])
    choose(ready, "Points")
    ui = ready.box.ui
    assert not ui.showResultButton.enabled and "was removed" in ui.showResultButton.toolTip
    assert "can only be cleared" in ui.resultsCard.text and ui.clearButton.enabled
    radiographs = ready.sections.radiographs
    assert radiographs.group is None and not radiographs.ui.radiographShowButton.enabled
    assert radiographs.ui.correspondTable.rowCount == 0
    ui.clearButton.click()
    assert [row[0] for row in rows(ready)] == ["Restoration", "Parts", "Find"]


def test_closing_the_scene_while_a_result_is_being_shown(ready, scene, process_until):
    choose(ready, "Restoration")
    ready.box.ui.showResultButton.click()
    assert ready.sections.restore.showing
    scene.Clear(0)
    assert not ready.sections.restore.showing and not ready.box.ui.resultsSection.visible
    assert not ready.box.ui.undoButton.enabled and not ready.top.restoreError.visible


def test_a_renamed_image_is_listed_by_its_new_name(ready, process_until):
    ready.images[0].SetName("renamed")
    ready.box.refresh()
    assert rows(ready)[1] == ["Parts", "renamed, second"]


def test_a_corrected_segmentation_is_asked_about(make_inference, process_until, scene, monkeypatch):
    import numpy as np
    from MedSSLInferenceLib.panel import resultsBox
    from MedSSLInferenceLib.scene.clearing import isUsers
    from scaffold.tasks import LUNGS, TaskServer

    panel = make_inference(TaskServer(), "segment")
    volume = phantoms.volume("ct")
    panel.ui.segmentSelector.setCurrentNode(volume)
    panel.connect(process_until)
    panel.choose(LUNGS)
    panel.finish(panel.ui.segmentButton, process_until)
    results, node = panel.sections.results, panel.box.segmented.node
    array = np.ones(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, node.GetSegmentation().GetNthSegmentID(0), volume)
    process_until(lambda: results.results)
    asked = []
    results._confirm = lambda question: asked.append(question) or False
    results.ui.clearButton.click()
    assert "corrected" in asked[0] and node.GetScene() is scene
    looked = []
    monkeypatch.setattr(resultsBox, "isUsers", lambda result: looked.append(result.key) or isUsers(result))
    results.ui.clearAllButton.click()
    assert not looked, "in an event loop of its own"
    process_until(lambda: looked)
    assert node.GetScene() is scene, "clear all leaves the user's work"
    scene.RemoveNode(volume)
    process_until(lambda: not results.results[0].complete)
    results.ui.clearButton.click()
    assert "may have been corrected" in asked[1] and node.GetScene() is scene
    results._confirm = lambda _question: True
    results.ui.clearButton.click()
    assert node.GetScene() is None
