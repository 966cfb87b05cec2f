"""The panel MedSSLInference, clicked through every state against a backend in memory."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scaffold import phantoms
from scaffold.inference_panel import choose
from scaffold.restoring import GENESIS, MODELS, OTHER, WRONG, RestoreServer

from medssl.client import volumes
from medssl.core.errors import ResourceError


@pytest.fixture
def panel(make_inference):
    """The panel over a backend that is down."""
    return make_inference(RestoreServer(), "restore")


@pytest.fixture
def ready(panel, process_until):
    """A volume is loaded, the backend is up, its models are listed."""
    panel.source = phantoms.volume("chest")
    panel.ui.inputSelector.setCurrentNode(panel.source)
    panel.connect(process_until)
    return panel


def test_nothing_loaded(panel, process_until, grab):
    panel.connect(process_until)
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "To restore: load a CT or MR volume"
    assert panel.ui.restoreStatus.text == "To restore: load a CT or MR volume."
    panel.grab(grab, "inference-nothing-loaded")


def test_backend_down(panel, grab):
    assert panel.widget.backendBox.ui.stateLabel.text == "Not running"
    phantoms.volume("chest")
    assert not panel.ui.applyButton.enabled and not panel.ui.refreshButton.enabled
    assert "start the backend" in panel.ui.applyButton.toolTip
    panel.grab(grab, "inference-backend-down")


@pytest.mark.parametrize("attribute", ["MedSSL.overlay", "MedSSL.saliency", "MedSSL.uncertainty", "MedSSL.preview"])
def test_what_is_drawn_over_an_image_is_not_offered_as_one(ready, process_until, attribute):
    panels = ready.widget.panel
    selectors = (
        panels.ui.inputSelector, panels.volumes.ui.placesSelector, panels.volumes.ui.searchedSelector, panels.segment.ui.segmentSelector,
    )  # fmt: skip
    drawn, restored = phantoms.volume("map"), phantoms.volume("chest restored")
    drawn.SetAttribute(attribute, "1")
    restored.SetNodeReferenceID("MedSSL.source", ready.source.GetID())
    process_until(lambda: all(selector.nodeCount() == 2 for selector in selectors))
    assert [selectors[0].nodeFromIndex(n) for n in range(2)] == [ready.source, restored]
    slicer.mrmlScene.RemoveNode(drawn)
    process_until(lambda: not list(selectors[0].sortFilterProxyModel().hiddenNodeIDs))


def test_everything_chosen(ready, grab):
    assert ready.ui.applyButton.enabled and ready.ui.applyButton.text == "Restore"
    assert "Distort the volume" in ready.ui.applyButton.toolTip and ready.ui.restoreStatus.text == ""
    assert ready.widget.panel.models.reference == GENESIS
    ready.grab(grab, "inference-ready")


def test_click_through_to_four_nodes(ready, process_until, grab):
    ui = ready.ui
    choose(ui.distortionCombo, "outpaint")
    ui.strengthSlider.value, ui.seedSpin.value, ui.overlapSlider.value = 0.5, 3, 0.4
    choose(ui.fidelityCombo, "released")
    ready.finish(ui.applyButton, process_until)
    request, result = ready.server.asked[-1], ready.box.restoration
    assert (request.model, request.distortion, request.seed) == (GENESIS, "outpaint", 3)
    assert (request.strength, request.overlap, request.fidelity) == (0.5, 0.4, "released")
    assert request.roi is None and request.device == "auto"
    for node in (result.original, result.distorted, result.restored, result.error):
        assert np.array_equal(phantoms.ijk_to_ras(node), phantoms.ijk_to_ras(ready.source))
    assert ui.metricsTable.rowCount == 3 and ui.metricsTable.item(1, 0).text() == "Restored"
    assert ui.metricsTable.horizontalHeaderItem(2).text() == "PSNR (dB)"
    assert ui.restoreStatus.text.startswith("Restoring did better than doing nothing")
    assert ui.resultSection.visible and "Restoration of chest" in ui.resultLabel.text
    assert ui.applyButton.text == "Restore" and ui.applyButton.enabled and not ui.restoreProgress.visible
    manager = slicer.app.layoutManager()
    composite = manager.sliceWidget("MedSSLRestored").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == result.restored.GetID()
    ready.grab(grab, "inference-finished")
    grab(manager.viewport(), "inference-four-up", 900, 760)


def test_region_of_interest(ready, scene, process_until):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    roi.SetCenter(*(phantoms.ijk_to_ras(ready.source) @ [48, 40, 24, 1])[:3])
    roi.SetSize(20, 20, 20)
    ready.ui.roiSelector.setCurrentNode(roi)
    ready.finish(ready.ui.applyButton, process_until)
    assert [b - a for a, b in ready.server.asked[-1].roi] == [64, 64, 32]
    assert ready.box.restoration.restored.GetImageData().GetDimensions() == (64, 64, 32)


def test_results_and_folded_sections_are_there_after_a_visit_to_another_module(ready, process_until):
    ready.finish(ready.ui.applyButton, process_until)
    said = ready.ui.restoreStatus.text
    ready.box.section.collapsed, ready.sections.segment.section.collapsed = True, False
    ready.widget.exit()
    ready.widget.enter()
    slicer.app.processEvents()
    assert said and ready.ui.restoreStatus.text == said and ready.box.state == "finished"
    assert ready.box.section.collapsed and not ready.sections.segment.section.collapsed, "as the user left them"


def test_a_new_region_is_the_middle_of_the_volume(ready, scene, process_until):
    selector = ready.ui.roiSelector
    roi = selector.addNode()
    selector.nodeAddedByUser.emit(roi)
    assert roi.GetDisplayNode().GetHandlesInteractive() and min(roi.GetSize()) > 0
    ready.finish(ready.ui.applyButton, process_until)
    shape = ready.source.GetImageData().GetDimensions()
    least = (64, 64, 32)
    for (start, stop), size, small in zip(ready.server.asked[-1].roi, shape, least):
        assert stop - start == max(size // 2, min(small, size)) and abs(start + stop - size) <= 1


def test_a_region_without_extent_is_refused(ready, scene, process_until):
    ready.ui.roiSelector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "never drawn"))
    ready.finish(ready.ui.applyButton, process_until, state="failed")
    text = ready.ui.restoreError.text
    assert "never drawn" in text and "no voxel inside" in text and "Create new ROI" in text and not ready.server.asked


def test_running_shows_progress_and_cancels(ready, scene, process_until, grab):
    ready.server.polls = None
    before = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    ready.ui.applyButton.click()
    process_until(lambda: ready.ui.restoreProgress.value == 40)
    assert ready.ui.applyButton.text == "Cancel" and ready.ui.applyButton.enabled
    assert ready.ui.restoreStatus.text == "Window 4 of 9" and ready.ui.restoreProgress.visible
    assert not ready.ui.inputSelector.enabled
    ready.grab(grab, "inference-running")
    ready.ui.applyButton.click()
    assert ready.ui.applyButton.text == "Cancelling..." and not ready.ui.applyButton.enabled
    assert "Waiting" in ready.ui.applyButton.toolTip
    process_until(lambda: ready.box.state == "idle")
    assert "POST /results/r1/cancel" in ready.server.calls
    assert ready.ui.restoreStatus.text == "Cancelled" and ready.ui.applyButton.text == "Restore"
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before
    assert not ready.ui.restoreError.visible and ready.ui.inputSelector.enabled


def test_failure_names_value_rule_and_remedy(ready, process_until, grab):
    ready.server.fails = WRONG
    ready.ui.applyButton.click()
    process_until(lambda: ready.box.state == "failed")
    text = ready.ui.restoreError.text
    assert all(part in text for part in (WRONG.value, WRONG.rule, WRONG.remedy))
    assert ready.ui.applyButton.enabled and ready.ui.applyButton.text == "Restore"
    ready.grab(grab, "inference-failed")
    ready.server.fails = None
    ready.ui.applyButton.click()
    assert not ready.ui.restoreError.visible, "the old error is gone as soon as a new run starts"
    process_until(lambda: ready.box.state == "finished")


def test_backend_dies_while_running(ready, process_until):
    ready.server.polls = None
    ready.ui.applyButton.click()
    process_until(lambda: ready.ui.restoreProgress.value == 40)
    ready.transport.broken = ResourceError("backend", "does not answer", "Start it again")
    process_until(lambda: ready.box.state == "failed")
    assert "does not answer" in ready.ui.restoreError.text
    ready.process.stop()
    assert "start the backend" in ready.ui.applyButton.toolTip


def test_stopping_the_backend_ends_a_run(ready, process_until):
    ready.server.polls = None
    ready.ui.applyButton.click()
    process_until(lambda: ready.ui.restoreProgress.value == 40)
    ready.process.stop()
    process_until(lambda: not ready.box.busy)
    assert "was disconnected" in ready.ui.restoreError.text and ready.ui.inputSelector.enabled
    assert ready.ui.applyButton.text == "Restore" and "start the backend" in ready.ui.applyButton.toolTip


def test_stopping_the_backend_ends_a_run_that_is_being_cancelled(ready, process_until):
    ready.server.polls = None
    ready.ui.applyButton.click()
    process_until(lambda: ready.ui.restoreProgress.value == 40)
    ready.ui.applyButton.click()
    ready.process.stop()
    process_until(lambda: not ready.box.busy)
    assert ready.ui.applyButton.text == "Restore" and ready.ui.inputSelector.enabled


def test_cancel_stops_an_upload_between_two_pieces(ready, process_until, monkeypatch):
    monkeypatch.setattr(volumes, "pieces", lambda total: ((a, min(a + 999, total)) for a in range(0, total, 999)))
    sent = ready.server.calls
    ready.ui.applyButton.click()
    process_until(lambda: [call for call in sent if call.startswith("PUT")])
    ready.ui.applyButton.click()
    pieces = len([call for call in sent if call.startswith("PUT")])
    process_until(lambda: ready.box.state == "idle")
    assert len([call for call in sent if call.startswith("PUT")]) <= pieces + 1 and not ready.server.asked
    assert ready.ui.restoreStatus.text == "Cancelled" and ready.ui.applyButton.text == "Restore"


def test_views_that_an_earlier_version_kept_for_a_preview_are_linked_again(ready, process_until):
    manager = slicer.app.layoutManager()
    manager.setLayout(7310)
    for name in ("MedSSLOriginal", "MedSSLDistorted"):
        manager.sliceWidget(name).mrmlSliceNode().SetViewGroup(4711)
    ready.finish(ready.ui.applyButton, process_until)
    groups = {manager.sliceWidget(name).mrmlSliceNode().GetViewGroup() for name in manager.sliceViewNames()}
    assert groups == {7310}


def test_volume_removed_while_running(ready, scene, process_until):
    ready.ui.applyButton.click()
    process_until(lambda: ready.server.asked)
    scene.RemoveNode(ready.source)
    process_until(lambda: ready.box.state == "failed")
    assert "was removed from the scene" in ready.ui.restoreError.text


def test_an_empty_volume_is_refused_before_anything_is_sent(ready, scene, process_until):
    ready.ui.inputSelector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))
    ready.server.calls.clear()
    ready.ui.applyButton.click()
    assert ready.box.state == "failed" and "holds no image" in ready.ui.restoreError.text
    assert ready.server.calls == []


def test_weight_file_instead_of_a_job(ready, process_until):
    choose(ready.ui.modelCombo, "file")
    assert ready.ui.weightPath.visible
    assert not ready.ui.applyButton.enabled and "choose a model or a weight file" in ready.ui.applyButton.toolTip
    ready.ui.weightPath.currentPath = "/models/Genesis_Chest_CT.pt"
    assert ready.ui.applyButton.enabled
    ready.finish(ready.ui.applyButton, process_until)
    assert ready.server.asked[-1].model == "/models/Genesis_Chest_CT.pt"


def test_refresh_keeps_the_choice_and_shows_new_models(ready, process_until):
    choose(ready.ui.modelCombo, OTHER)
    newer = {"model": "b2", "name": "newer run", "method": "genesis", "plan": {}, "created": 2.0}
    ready.server.models = [newer, *MODELS]
    ready.ui.refreshButton.click()
    process_until(lambda: ready.ui.modelCombo.count == 4)
    assert ready.widget.panel.models.reference == OTHER


def test_a_stop_while_the_models_are_asked_for_is_no_error(ready, qapp):
    ready.ui.refreshButton.click()
    ready.process.stop()
    for _ in range(20):
        qapp.processEvents()
    assert ready.top.modelError.text == ""


def test_choices_live_in_the_scene(ready, process_until):
    choose(ready.ui.distortionCombo, "bezier")
    choose(ready.ui.modelCombo, OTHER)
    ready.ui.strengthSlider.value = 0.25
    node = ready.widget.logic.getParameterNode()
    assert (node.distortion, node.model, node.strength) == ("bezier", OTHER, 0.25)
    assert node.inputVolume is ready.source
    ready.widget.exit()
    node.distortion, node.strength = "shuffle", 0.75
    ready.widget.enter()
    assert ready.ui.distortionCombo.currentText == "Local shuffling" and ready.ui.strengthSlider.value == 0.75


def test_a_loaded_scene_brings_its_choices(ready, scene, tmp_path, process_until):
    choose(ready.ui.distortionCombo, "bezier")
    ready.ui.seedSpin.value = 7
    scene.SetURL(str(tmp_path / "kept.mrml"))
    assert scene.Commit()
    scene.Clear(0)
    choose(ready.ui.distortionCombo, "none")
    scene.SetURL(str(tmp_path / "kept.mrml"))
    assert scene.Import()
    assert ready.ui.distortionCombo.currentText == "Intensity curve" and ready.ui.seedSpin.value == 7
    assert ready.ui.inputSelector.currentNode().GetName() == "chest"


def test_the_first_volume_is_chosen_when_the_panel_opens(panel, scene):
    panel.widget.exit()
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "label map")
    volume = phantoms.volume("chest")
    panel.widget.enter()
    assert panel.ui.inputSelector.currentNode() is volume
    assert (panel.ui.seedSpin.minimum, panel.ui.seedSpin.maximum) == (0, 999999)


def test_closing_the_scene_starts_over(ready, scene, process_until):
    ready.finish(ready.ui.applyButton, process_until)
    scene.Clear(0)
    assert ready.box.state == "idle" and ready.box.restoration is None
    assert not ready.ui.resultSection.visible and not ready.ui.applyButton.enabled
    phantoms.volume("next")
    assert ready.ui.applyButton.enabled


def test_closing_the_scene_while_running_ends_the_run(ready, scene, process_until):
    ready.server.polls = None
    ready.ui.applyButton.click()
    process_until(lambda: ready.ui.restoreProgress.value == 40)
    scene.Clear(0)
    process_until(lambda: "POST /results/r1/cancel" in ready.server.calls)
    process_until(lambda: ready.box.state == "idle")


def test_showing_a_result_whose_nodes_were_deleted(ready, scene, process_until):
    ready.finish(ready.ui.applyButton, process_until)
    scene.RemoveNode(ready.box.restoration.distorted)
    ready.ui.showButton.click()
    assert "was removed from the scene" in ready.ui.restoreError.text


def test_the_panel_survives_without_a_layout_manager(ready, process_until):
    ready.box._layoutManager = lambda: None
    ready.finish(ready.ui.applyButton, process_until)


def test_leaving_while_running_is_quiet(ready, process_until, qapp):
    ready.server.polls = None
    ready.ui.applyButton.click()
    process_until(lambda: ready.ui.restoreProgress.value == 40)
    ready.close()
    count = len(ready.server.calls)
    for _ in range(20):
        qapp.processEvents()
    assert len(ready.server.calls) <= count + 1, "nobody asks any more"


def test_every_widget_says_what_it_is_for(panel):
    ui = panel.ui
    for widget in (ui.inputSelector, ui.roiSelector, ui.modelCombo, ui.weightPath, ui.distortionCombo, ui.strengthSlider,
                   ui.seedSpin, ui.overlapSlider, ui.fidelityCombo, ui.applyButton, ui.refreshButton, ui.showButton):  # fmt: skip
        assert widget.toolTip, widget.objectName
