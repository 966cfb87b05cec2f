"""The sections "Segment" and "Predict", clicked, and their console: what a fine-tuned model finds becomes nodes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import slicer
import vtk
from refusals import refused
from scaffold import phantoms
from scaffold.restoring import GENESIS
from scaffold.tasks import FINDINGS, LUNGS, MODELS, SEGMENTS, MainWindow, TaskServer, segmentEditorModule

from medssl.core.errors import WeightsError


@pytest.fixture
def panel(make_inference):
    """The panel over a backend that is down."""
    panel = make_inference(TaskServer(), "segment")
    panel.segment, panel.predict = panel.sections.segment, panel.sections.predict
    return panel


@pytest.fixture
def ready(panel, process_until):
    """A volume is loaded, the backend is up, the newest model segments lungs."""
    panel.source = phantoms.volume("chest", (64, 56, 32), oblique=True)
    panel.segment.ui.segmentSelector.setCurrentNode(panel.source)
    panel.connect(process_until)
    panel.choose(LUNGS)
    return panel


def names(node) -> list[str]:
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]


def lungs(volume) -> np.ndarray:
    """What the fake model finds, as values n + 1 of the segments."""
    array = slicer.util.arrayFromVolume(volume)
    air, half = (array < -600) & (array > -950), array.shape[2] // 2
    return np.where(air, np.where(np.arange(array.shape[2]) < half, 2, 1), 0)


def test_only_images_are_offered(panel, scene):
    ct, grey = phantoms.volume("ct"), phantoms.picture("radiograph")
    for kind in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLDiffusionTensorVolumeNode", "vtkMRMLStreamingVolumeNode"):
        scene.AddNewNodeByClass(kind, kind)
    volumes, retrieve = panel.sections.volumes.ui, panel.sections.retrieve.ui
    for selector in (panel.segment.ui.segmentSelector, panel.predict.ui.predictSelector, retrieve.retrieveSelector):
        assert [selector.nodeFromIndex(n) for n in range(selector.nodeCount())] == [ct, grey]
    for selector in (volumes.placesSelector, volumes.searchedSelector):
        assert [selector.nodeFromIndex(n) for n in range(selector.nodeCount())] == [ct]


def test_grey_pictures_are_offered(panel, scene):
    """They are vector volumes; a parameter's type decides what its selector offers, not the .ui file."""
    picture = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "picture")
    slicer.util.updateVolumeFromArray(picture, np.zeros((1, 20, 20, 3), np.uint8))
    for selector in (panel.segment.ui.segmentSelector, panel.sections.retrieve.ui.retrieveSelector):
        selector.setCurrentNode(picture)
        assert selector.currentNode() is picture
    node = panel.widget.logic.getParameterNode()
    assert node.segmentVolume is picture and node.retrieveVolume is picture


def test_segment(ready, scene, process_until, grab):
    from MedSSLLib.scene.labelMaps import isCorrected, labelArray

    ui = ready.segment.ui
    assert ui.segmentButton.enabled and not ready.top.restoreSection.enabled and not ready.predict.section.enabled
    ready.grab(grab, "segment-ready")
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "visit")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(ready.source), folder)
    ui.mirrorCheck.checked = True
    ready.finish(ui.segmentButton, process_until)
    request, node = ready.server.asked[0], ready.segment.segmented.node
    assert (request.model, request.mirror, request.overlap) == (LUNGS, True, -1.0)
    assert node.GetName() == "chest segmentation" and names(node) == ["left lung", "right lung", "nodule"]
    segment = node.GetSegmentation().GetNthSegment(1)
    assert np.allclose(segment.GetColor(), (0.2, 0.4, 0.8), atol=0.01)
    entry = vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), entry) and str(entry) == phantoms.TERMINOLOGY
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is ready.source
    before = slicer.mrmlScene.GetNumberOfNodes()
    assert np.array_equal(labelArray(node, ready.source), lungs(ready.source)) and not isCorrected(node, ready.source)
    assert slicer.mrmlScene.GetNumberOfNodes() == before, "what the export made is gone again"
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    assert ui.segmentTable.rowCount == 3 and ui.segmentTable.item(2, 1).text() == "0" and ui.correctFrame.visible
    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(name).mrmlSliceCompositeNode() for name in manager.sliceViewNames()]
    assert views and all(view.GetBackgroundVolumeID() == ready.source.GetID() for view in views)
    ready.grab(grab, "segment-finished")
    grab(manager.viewport(), "segment-views", 900, 760)
    ready.grabBeside(grab, "segment-overview", 620)
    ready.finish(ui.segmentButton, process_until)
    assert ready.segment.segmented.node is not node and node.GetScene() is scene, "the first one stays"


@pytest.mark.parametrize("mirrored", [False, True])
def test_mirrored_images_are_offered_for_models_that_learnt_from_such(mirrored, make_inference, process_until):
    task = {"name": "segmentation", "segments": SEGMENTS, "mirrored": mirrored}
    known = {**MODELS[0], "plan": {"method": "unet-segmenter", "task": task}}
    panel = make_inference(TaskServer(models=[known, {**MODELS[0], "model": "old", "name": "old"}]), "segment")
    panel.segment = panel.sections.segment
    ui = panel.segment.ui
    ui.segmentSelector.setCurrentNode(phantoms.volume("chest", (64, 56, 32)))
    ui.mirrorCheck.checked = True
    panel.connect(process_until)
    for model, offered in ((LUNGS, mirrored), ("old", True), (LUNGS, mirrored)):
        panel.choose(model)
        assert ui.mirrorCheck.enabled == offered and ("would answer noise" in ui.mirrorCheck.toolTip) != offered
        assert ui.mirrorCheck.checked, "the choice stays for the next model"
    panel.finish(ui.segmentButton, process_until)
    assert panel.server.asked[0].mirror == mirrored and ui.mirrorCheck.enabled == mirrored


def test_the_uncertainty_lies_over_its_volume_as_a_result_of_its_own(ready, scene, process_until, grab):
    from MedSSLInferenceLib.scene.results import SEGMENTATION, UNCERTAINTY, isShown, results, setShown

    ui = ready.segment.ui
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    ui.uncertaintyCheck.checked = True
    ready.grab(grab, "segment-uncertainty-ready")
    ready.finish(ui.segmentButton, process_until)
    assert ready.server.asked[0].uncertainty and not ready.server.asked[0].mirror
    found = ready.segment.segmented
    node = found.uncertainty
    assert (
        node is found.node.GetNodeReference("MedSSL.uncertainty") and node.GetName() == "chest segmentation uncertainty"
    )
    array = slicer.util.arrayFromVolume(ready.source)
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(node), np.clip(1 - np.abs(array + 600.0) / 300, 0, 1), atol=1e-5
    )
    first, second = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(first), ready.source.GetIJKToRASMatrix(second)
    assert np.allclose(slicer.util.arrayFromVTKMatrix(first), slicer.util.arrayFromVTKMatrix(second))
    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(name).mrmlSliceCompositeNode() for name in manager.sliceViewNames()]
    assert views and {view.GetForegroundVolumeID() for view in views} == {node.GetID()}
    listed = {result.kind: result for result in results()}
    assert set(listed) == {SEGMENTATION, UNCERTAINTY} and all(map(isShown, listed.values()))
    grab(manager.viewport(), "segment-uncertainty-views", 900, 760)
    ready.grab(grab, "segment-uncertainty-finished")
    setShown(listed[UNCERTAINTY], False)
    assert not any(view.GetForegroundVolumeID() for view in views) and isShown(listed[SEGMENTATION])
    setShown(listed[UNCERTAINTY], True)
    assert all(view.GetForegroundVolumeID() == node.GetID() for view in views)
    other = phantoms.volume("another patient", (64, 56, 32))
    for view in views:
        view.SetBackgroundVolumeID(other.GetID())
    assert not any(view.GetForegroundVolumeID() == node.GetID() for view in views), "it lies over no foreign image"


def test_a_result_made_later_hides_the_uncertainty_too(ready, scene, process_until):
    from MedSSLInferenceLib.scene.results import UNCERTAINTY, isShown, results

    ready.segment.ui.uncertaintyCheck.checked = True
    ready.finish(ready.segment.ui.segmentButton, process_until)
    ready.segment.ui.uncertaintyCheck.checked = False
    ready.finish(ready.segment.ui.segmentButton, process_until)
    assert ready.segment.segmented.uncertainty is None
    (unsure,) = [result for result in results() if result.kind == UNCERTAINTY]
    assert not isShown(unsure) and unsure.complete


def test_an_uncertainty_map_that_is_damaged_leaves_nothing_behind(ready, scene, process_until):
    ready.server.shortened = True
    ready.segment.ui.uncertaintyCheck.checked = True
    before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLStorableNode")}
    ready.finish(ready.segment.ui.segmentButton, process_until, state="failed")
    assert "uncertainty map" in ready.segment.ui.segmentError.text and ready.segment.segmented is None
    assert {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLStorableNode")} == before


def test_edit(ready, scene, process_until):
    ui = ready.segment.ui
    assert not ui.correctFrame.visible
    ready.finish(ui.segmentButton, process_until)
    node = ready.segment.segmented.node
    ui.editButton.click()
    assert ready.edited == [(node, ready.source)] and not ui.segmentError.visible
    scene.RemoveNode(node)
    ui.editButton.click()
    assert len(ready.edited) == 1 and "was removed from the scene" in ui.segmentError.text
    assert "Segment the volume again" in ui.segmentError.text


def test_the_segment_editor_opens_with_the_segmentation(load_module, scene, monkeypatch):
    """On entering, Slicer's editor chooses the scene's first segmentation and shows its image, perhaps another patient's."""
    load_module("MedSSLInference")
    from MedSSLInferenceLib.views.segmentViews import openSegmentEditor

    monkeypatch.setitem(sys.modules, "SegmentEditor", segmentEditorModule())
    load_module("SegmentEditor")
    volume = phantoms.volume("chest")
    scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "older")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "newer")
    with pytest.raises(RuntimeError, match="main window"):
        openSegmentEditor(node, volume)
    window = MainWindow()
    slicer.util.setSliceViewerLayers(background=phantoms.volume("another patient"))
    openSegmentEditor(node, volume)
    manager = slicer.app.layoutManager()
    composites = [manager.sliceWidget(name).mrmlSliceCompositeNode() for name in manager.sliceViewNames()]
    assert {one.GetBackgroundVolumeID() for one in composites} == {volume.GetID()}
    editor = slicer.util.getModuleWidget("SegmentEditor").editor
    assert (editor.segmentation, editor.volume, window.entered) == (node, volume, ["SegmentEditor"])
    window.deleteLater()


def test_a_volume_under_a_transform(ready, scene, process_until):
    from MedSSLLib.scene.labelMaps import labelArray

    turn = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "turn")
    matrix = np.array([[0, -1, 0, 30], [1, 0, 0, -10], [0, 0, 1, 5], [0, 0, 0, 1.0]])
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    ready.source.SetAndObserveTransformNodeID(turn.GetID())
    ready.finish(ready.segment.ui.segmentButton, process_until)
    node = ready.segment.segmented.node
    assert node.GetTransformNodeID() == turn.GetID()
    assert np.array_equal(labelArray(node, ready.source), lungs(ready.source))


def test_running_shows_progress_and_cancels(ready, scene, process_until, grab):
    ready.server.polls = None
    ui = ready.segment.ui
    ui.segmentButton.click()
    process_until(lambda: ui.segmentProgress.value == 40)
    assert ui.segmentButton.text == "Cancel" and not ui.segmentSelector.enabled
    ready.grab(grab, "segment-running")
    ui.segmentButton.click()
    process_until(lambda: ready.segment.state == "idle")
    assert ui.segmentStatus.text == "Cancelled"
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_failures_are_shown(ready, scene, process_until, grab):
    ready.server.fails = WeightsError("lungs", "was trained for CT, the image is MR", "Take another model")
    ready.segment.ui.segmentButton.click()
    process_until(lambda: ready.segment.state == "failed")
    assert "was trained for CT" in ready.segment.ui.segmentError.text
    ready.grab(grab, "segment-failed")
    ready.server.fails = None
    ready.segment.ui.segmentButton.click()
    scene.RemoveNode(ready.source)
    process_until(lambda: ready.segment.state == "failed")
    assert "was removed from the scene" in ready.segment.ui.segmentError.text
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


@pytest.mark.parametrize(
    ("model", "box", "wish"),
    [
        (GENESIS, "segment", "choose a model that was fine-tuned for segmentation"),
        (FINDINGS, "segment", "choose a model that was fine-tuned for segmentation"),
        (LUNGS, "predict", "choose a fine-tuned classifier or a probe"),
    ],
)
def test_a_model_of_another_task(ready, model, box, wish):
    ready.predict.ui.predictSelector.check(ready.source)
    ready.choose(model)
    part = getattr(ready, box)
    button = part.ui.segmentButton if box == "segment" else part.ui.predictButton
    assert not button.enabled and wish in button.toolTip and not part.section.enabled
    assert "The chosen model is of" in part.section.toolTip


def test_nothing_loaded(panel, process_until, grab):
    panel.connect(process_until)
    panel.choose(LUNGS)
    assert panel.segment.ui.segmentStatus.text == "To segment: load a volume or a radiograph."
    panel.choose(FINDINGS)
    assert panel.predict.ui.predictStatus.text == "To predict: load a radiograph or a volume."
    panel.grab(grab, "predict-nothing-loaded")


@pytest.fixture
def radiographs(ready, scene):
    nodes = [phantoms.radiograph("first", (64, 60)), phantoms.radiograph("second", (60, 64), seed=1)]
    for node in nodes:
        ready.predict.ui.predictSelector.check(node)
    ready.choose(FINDINGS)
    return nodes


def test_predict(ready, radiographs, process_until, grab):
    ui = ready.predict.ui
    ready.grab(grab, "predict-ready")
    ready.finish(ui.predictButton, process_until, ready.predict)
    request, table = ready.server.asked[0], ready.predict.predicted.tableNode
    assert (request.model, request.test_time) == (FINDINGS, "")
    assert [ref.name for ref in request.images] == ["first", "second"]
    assert table.GetName() == "Prediction of first and 1 more" and table.GetNumberOfRows() == 4
    columns = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    assert columns == ["image", "name", "class", "probability", "low", "high", "threshold", "positive"]
    assert ui.predictTable.item(0, 0).text() == "first: Pneumonia", "several images: each row names its own"
    assert "0.800 (0.750-0.850); positive from 0.41" in ui.predictTable.item(0, 1).toolTip()
    verdicts = [ui.predictTable.item(n, 2).text() for n in range(4)]
    assert verdicts == ["positive"] * 3 + ["negative"]
    assert "over 10 looks" in ui.predictStatus.text
    ready.grab(grab, "predict-finished")
    ready.predict.ui.predictSelector.check(ready.source)
    assert "tick either radiographs or volumes" in ui.predictButton.toolTip


def test_3d_volumes_as_radiographs(ready, process_until, grab):
    from MedSSLInferenceLib.runs.radiographImages import redSlice

    ui, combo = ready.predict.ui, ready.predict.ui.predictViewCombo
    ready.choose(FINDINGS)
    assert not combo.visible
    ui.predictSelector.check(ready.source)
    assert combo.visible and ui.predictButton.enabled
    ready.finish(ui.predictButton, process_until, ready.predict)
    ui.predictSelector.check(phantoms.radiograph("first", (64, 60)))
    assert not ui.predictButton.enabled and "choose a projection or a slice" in ui.predictButton.toolTip
    combo.setCurrentIndex(combo.findData("lateral"))
    ready.grab(grab, "predict-view")
    ready.finish(ui.predictButton, process_until, ready.predict)
    assert ready.widget.logic.getParameterNode().predictView == "lateral"
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    showSlice(ready.source)
    combo.setCurrentIndex(combo.findData("red"))
    ready.finish(ui.predictButton, process_until, ready.predict)
    views = [[ref.view for ref in request.images] for request in ready.server.asked]
    assert views == [[""], ["lateral", ""], [redSlice(ready.source), ""]]
    slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").SetSliceOffset(5000)
    ui.predictButton.click()
    assert ready.predict.state == "failed" and "shows no slice of chest" in ui.predictError.text


def showSlice(volume) -> None:
    """Show a volume in the red view, along its own slices."""
    widget = slicer.app.layoutManager().sliceWidget("Red")
    widget.mrmlSliceNode().RotateToVolumePlane(volume)
    widget.mrmlSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    for _ in range(4):  # the slider of a view that has just opened answers late
        slicer.app.processEvents()
    widget.fitSliceToBackground()
    middle = phantoms.ijk_to_ras(volume) @ [*[n // 2 for n in volume.GetImageData().GetDimensions()], 1]
    widget.mrmlSliceNode().JumpSliceByCentering(*[float(one) for one in middle[:3]])  # not between two slices


def test_one_look_has_no_interval(ready, radiographs, process_until):
    ready.server.looks = 1
    ui = ready.predict.ui
    ui.testTimeCombo.currentIndex = ui.testTimeCombo.findData("none")
    ready.finish(ui.predictButton, process_until, ready.predict)
    assert ready.server.asked[0].test_time == "none" and ui.predictTable.item(0, 1).text() == "0.800"
    table = ready.predict.predicted.tableNode.GetTable()
    assert np.isnan(table.GetColumnByName("low").GetValue(0)), "an empty number, not a text"


def test_choices_live_in_the_scene(ready, radiographs):
    ready.segment.ui.mirrorCheck.checked = True
    ready.segment.ui.uncertaintyCheck.checked = True
    node = ready.widget.logic.getParameterNode()
    assert node.segmentUncertainty
    assert node.segmentVolume is ready.source and node.segmentMirror and node.predictImages == radiographs
    slicer.mrmlScene.Clear(0)
    assert ready.segment.segmented is None and not ready.segment.ui.segmentButton.enabled


def test_how_to_predict_and_search_is_kept_with_the_scene(panel, scene):
    ui, retrieve = panel.predict.ui, panel.sections.retrieve.ui
    combos = (ui.testTimeCombo, ui.saliencyMethodCombo, retrieve.retrieveViewCombo)
    first = [combo.currentIndex for combo in combos]
    for combo in combos:
        combo.setCurrentIndex(combo.count - 1 if combo.currentIndex != combo.count - 1 else 0)
    ui.findingsEdit.text = "Effusion"
    node = panel.widget.logic.getParameterNode()
    kept = (node.predictTestTime, node.saliencyMethod, node.retrieveView, node.predictFindings)
    assert kept == (*(combo.itemData(combo.currentIndex) for combo in combos), "Effusion")
    scene.Clear(0)
    assert [combo.currentIndex for combo in combos] == first and ui.findingsEdit.text == ""
    node = panel.widget.logic.getParameterNode()
    panel.widget.exit()
    node.predictTestTime, node.saliencyMethod, node.retrieveView, node.predictFindings = kept
    panel.widget.enter()
    assert tuple(combo.itemData(combo.currentIndex) for combo in combos) == kept[:3]
    assert ui.findingsEdit.text == "Effusion"


@pytest.fixture
def logic(make_logic):
    return make_logic("MedSSLInference", TaskServer())


def test_console(logic):
    volume = phantoms.volume("chest", (64, 56, 32))
    node = logic.segment(volume, LUNGS, overlap=0.5)
    assert node.IsA("vtkMRMLSegmentationNode") and logic.server.asked[0].overlap == 0.5
    table = logic.predict([volume], FINDINGS, test_time="mirror")
    assert table.GetName() == "Prediction of chest" and table.GetNumberOfRows() == 2


def test_console_refuses_before_anything_is_sent(logic, scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with refused("no-voxels", names="empty"):
        logic.segment(empty, LUNGS)
    with refused("input-missing", names="volume"):
        logic.predict([], FINDINGS)
    with refused("input-missing", names="model"):
        logic.segment(phantoms.volume(), "")
    assert not logic.server.calls


def test_a_volume_unlike_those_of_training_is_noted_before_the_run(ready, process_until, grab):
    """Spacing along the model's axes, whatever the storage; a model that records nothing says so."""
    box, plan = ready.segment, ready.segment._models.model["plan"]
    assert box.ui.segmentButton.enabled and "not record" in box.ui.segmentStatus.text
    spacing = ready.source.GetSpacing()
    plan["geometry"] = {"orientation": "LPS", "finest": spacing, "coarsest": spacing, "tilt": 40.0}
    box.update()
    assert box.ui.segmentStatus.text == ""
    coarse = phantoms.volume("coarse", (32, 28, 16), oblique=True)
    coarse.SetSpacing([3 * side for side in spacing])
    box.ui.segmentSelector.setCurrentNode(coarse)
    assert "far from those of the training images" in box.ui.segmentStatus.text and box.ui.segmentButton.enabled
    ready.grab(grab, "segment-unlike-training")
    plan["geometry"]["tilt"] = 0.0
    box.ui.segmentSelector.setCurrentNode(ready.source)
    assert "degrees" in box.ui.segmentStatus.text
    ready.finish(box.ui.segmentButton, process_until)
    assert "in the scene" in box.ui.segmentStatus.text
    box.ui.segmentSelector.setCurrentNode(coarse)
    assert "far from" in box.ui.segmentStatus.text


def test_the_direction_of_a_node_is_that_of_its_file(ready):
    from MedSSLLib.scene.volumeExport import directionLps, ijkToRas

    ras = ijkToRas(ready.source)[:3, :3] / np.array(ready.source.GetSpacing())
    assert np.allclose(directionLps(ready.source), np.diag([-1, -1, 1]) @ ras) and not np.allclose(ras, np.eye(3))
