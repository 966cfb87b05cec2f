"""The sections "Segment" and "Predict", clicked, and their console: what a fine-tuned model finds becomes nodes."""

from __future__ import annotations

import sys

import apply_fakes as fakes
import finetune_fakes
import inference_fakes
import numpy as np
import pytest
import qt
import slicer
import vtk

from medssl.core.errors import InputError, VolumeError, WeightsError

WIDTH = 470


@pytest.fixture
def panel(load_module, monkeypatch, tmp_path):
    """The panel over a fake backend that is down."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    load_module("MedSSLInference")
    parent = qt.QWidget()
    qt.QVBoxLayout(parent)
    panel = Panel(parent)
    yield panel
    panel.widget.cleanup()
    parent.close()


class Panel:
    def __init__(self, parent) -> None:
        from MedSSLLib.backend.backendBox import BackendBox

        from MedSSLInference import MedSSLInferenceWidget

        self.process, self.server = inference_fakes.FakeProcess(), fakes.TaskBackend()
        self.transport = inference_fakes.FakeTransport(self.server)
        self.edited = []
        self.widget = MedSSLInferenceWidget(
            parent,
            lambda frame: BackendBox(frame, process=self.process),
            openEditor=lambda *nodes: self.edited.append(nodes),
        )
        self.widget.setup()
        self.top, self.segment, self.predict = self.widget.ui, self.widget.panel.segment, self.widget.panel.predict
        parent.resize(WIDTH, 700)
        parent.show()

    def connect(self, process_until) -> None:
        self.process.set(self.transport)
        process_until(lambda: self.top.modelCombo.count == 5)

    def choose(self, model: str) -> None:
        self.top.modelCombo.setCurrentIndex(self.top.modelCombo.findData(model))

    def grab(self, grab, name: str) -> None:
        for _ in range(4):  # sections that have just opened are laid out from the inside
            slicer.app.processEvents()
        grab(self.widget.parent, name, WIDTH, max(420, self.widget.parent.layout().totalHeightForWidth(WIDTH)))

    def grabBeside(self, grab, views, name: str) -> None:
        """The panel beside the views, as a user sees them."""
        window = qt.QWidget()
        row = qt.QHBoxLayout(window)
        row.setContentsMargins(0, 0, 0, 0)
        self.widget.parent.setFixedWidth(WIDTH)
        for part in (self.widget.parent, views):
            row.addWidget(part)
            part.show()
        window.resize(WIDTH + 640, 620)
        window.show()
        slicer.app.processEvents()
        slicer.app.layoutManager().resetSliceViews()
        grab(window, name)
        for part in (self.widget.parent, views):
            part.setParent(None)


@pytest.fixture
def ready(panel, process_until):
    """A volume is loaded, the backend is up, the newest model segments lungs."""
    panel.source = inference_fakes.phantom("chest", (64, 56, 32), oblique=True)
    panel.segment.ui.segmentSelector.setCurrentNode(panel.source)
    panel.connect(process_until)
    panel.choose(fakes.LUNGS)
    return panel


def finish(box, button, process_until) -> None:
    button.click()
    process_until(lambda: box.state in ("finished", "failed"))
    assert box.state == "finished"


def names(node) -> list[str]:
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]


def lungs(volume) -> np.ndarray:
    """What the fake model finds, as values n + 1 of the segments."""
    array = slicer.util.arrayFromVolume(volume)
    air, half = (array < -600) & (array > -950), array.shape[2] // 2
    return np.where(air, np.where(np.arange(array.shape[2]) < half, 2, 1), 0)


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
    finish(ready.segment, ui.segmentButton, process_until)
    assert not ui.segmentError.visible, ui.segmentError.text
    request, node = ready.server.asked[0], ready.segment.segmented.node
    assert (request.model, request.mirror, request.overlap) == (fakes.LUNGS, True, -1.0)
    assert node.GetName() == "chest segmentation" and names(node) == ["left lung", "right lung", "nodule"]
    segment = node.GetSegmentation().GetNthSegment(1)
    assert np.allclose(segment.GetColor(), (0.2, 0.4, 0.8), atol=0.01)
    entry = vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), entry) and str(entry) == finetune_fakes.TERMINOLOGY
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is ready.source
    assert np.array_equal(labelArray(node, ready.source), lungs(ready.source)) and not isCorrected(node, ready.source)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    assert ui.segmentTable.rowCount == 3 and ui.segmentTable.item(2, 1).text() == "0" and ui.correctFrame.visible
    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(name).mrmlSliceCompositeNode() for name in manager.sliceViewNames()]
    assert views and all(view.GetBackgroundVolumeID() == ready.source.GetID() for view in views)
    ready.grab(grab, "segment-finished")
    grab(manager.viewport(), "segment-views", 900, 760)
    ready.grabBeside(grab, manager.viewport(), "segment-overview")
    finish(ready.segment, ui.segmentButton, process_until)
    assert ready.segment.segmented.node is not node and node.GetScene() is scene, "the first one stays"


def test_edit(ready, scene, process_until):
    ui = ready.segment.ui
    assert not ui.correctFrame.visible
    finish(ready.segment, ui.segmentButton, process_until)
    node = ready.segment.segmented.node
    ui.editButton.click()
    assert ready.edited == [(node, ready.source)] and not ui.segmentError.visible
    scene.RemoveNode(node)
    ui.editButton.click()
    assert len(ready.edited) == 1 and "was removed from the scene" in ui.segmentError.text
    assert "Segment the volume again" in ui.segmentError.text


def test_the_segment_editor_opens_with_the_segmentation(load_module, scene, monkeypatch):
    """On entering, Slicer's editor chooses the scene's first segmentation; the one meant is chosen after that."""
    load_module("MedSSLInference")
    from MedSSLInferenceLib.views.segmentEditor import openSegmentEditor

    monkeypatch.setitem(sys.modules, "SegmentEditor", fakes.segmentEditorModule())
    load_module("SegmentEditor")
    volume = inference_fakes.phantom("chest")
    scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "older")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "newer")
    with pytest.raises(RuntimeError, match="main window"):
        openSegmentEditor(node, volume)
    window = fakes.MainWindow()
    openSegmentEditor(node, volume)
    editor = slicer.util.getModuleWidget("SegmentEditor").editor
    assert (editor.segmentation, editor.volume, window.entered) == (node, volume, ["SegmentEditor"])
    window.deleteLater()


def test_a_volume_under_a_transform(ready, scene, process_until):
    from MedSSLLib.scene.labelMaps import labelArray

    turn = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "turn")
    matrix = np.array([[0, -1, 0, 30], [1, 0, 0, -10], [0, 0, 1, 5], [0, 0, 0, 1.0]])
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    ready.source.SetAndObserveTransformNodeID(turn.GetID())
    finish(ready.segment, ready.segment.ui.segmentButton, process_until)
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


def test_failures_are_told(ready, scene, process_until, grab):
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
        (fakes.GENESIS, "segment", "choose a model that was fine-tuned for segmentation"),
        (fakes.FINDINGS, "segment", "choose a model that was fine-tuned for segmentation"),
        (fakes.LUNGS, "predict", "choose a fine-tuned classifier or a probe"),
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
    panel.choose(fakes.LUNGS)
    assert panel.segment.ui.segmentStatus.text == "To segment: load a volume or a radiograph."
    panel.choose(fakes.FINDINGS)
    assert panel.predict.ui.predictStatus.text == "To predict: load a radiograph or a volume."
    panel.grab(grab, "predict-nothing-loaded")


@pytest.fixture
def radiographs(ready, scene):
    import correspond_fakes

    nodes = [correspond_fakes.radiograph("first", (64, 60)), correspond_fakes.radiograph("second", (60, 64), seed=1)]
    for node in nodes:
        ready.predict.ui.predictSelector.check(node)
    ready.choose(fakes.FINDINGS)
    return nodes


def test_predict(ready, radiographs, process_until, grab):
    ui = ready.predict.ui
    ready.grab(grab, "predict-ready")
    finish(ready.predict, ui.predictButton, process_until)
    assert not ui.predictError.visible, ui.predictError.text
    request, table = ready.server.asked[0], ready.predict.predicted.tableNode
    assert (request.model, request.test_time) == (fakes.FINDINGS, "")
    assert [ref.name for ref in request.images] == ["first", "second"]
    assert table.GetName() == "Prediction of first and 1 more" and table.GetNumberOfRows() == 4
    columns = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    assert columns == ["image", "name", "class", "probability", "low", "high", "threshold", "positive"]
    assert ui.predictTable.item(0, 2).text() == "0.800 (0.750-0.850)"
    verdicts = [ui.predictTable.item(n, 3).text() for n in range(4)]
    assert verdicts == [*["positive (from 0.41)"] * 3, "negative (below 0.41)"]
    assert "over 10 looks" in ui.predictStatus.text
    ready.grab(grab, "predict-finished")
    ready.predict.ui.predictSelector.check(ready.source)
    assert "tick either radiographs or volumes" in ui.predictButton.toolTip


def test_3d_volumes_as_radiographs(ready, process_until, grab):
    import correspond_fakes
    from MedSSLInferenceLib.runs.radiographImages import redSlice

    ui, combo = ready.predict.ui, ready.predict.ui.predictViewCombo
    ready.choose(fakes.FINDINGS)
    assert not combo.visible
    ui.predictSelector.check(ready.source)
    assert combo.visible and ui.predictButton.enabled
    finish(ready.predict, ui.predictButton, process_until)
    ui.predictSelector.check(correspond_fakes.radiograph("first", (64, 60)))
    assert not ui.predictButton.enabled and "choose a projection or a slice" in ui.predictButton.toolTip
    combo.setCurrentIndex(combo.findData("lateral"))
    ready.grab(grab, "predict-view")
    finish(ready.predict, ui.predictButton, process_until)
    assert ready.widget.logic.getParameterNode().predictView == "lateral"
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    showSlice(ready.source)
    combo.setCurrentIndex(combo.findData("red"))
    finish(ready.predict, ui.predictButton, process_until)
    views = [[ref.view for ref in request.images] for request in ready.server.asked]
    assert views == [[""], ["lateral", ""], [redSlice(ready.source), ""]]
    slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").SetSliceOffset(5000)
    ui.predictButton.click()
    assert ready.predict.state == "failed" and "shows no slice of chest" in ui.predictError.text


def showSlice(volume) -> None:
    """Show a volume in the red view."""
    widget = slicer.app.layoutManager().sliceWidget("Red")
    widget.mrmlSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    widget.fitSliceToBackground()


def test_one_look_has_no_interval(ready, radiographs, process_until):
    ready.server.looks = 1
    ui = ready.predict.ui
    ui.testTimeCombo.currentIndex = ui.testTimeCombo.findData("none")
    finish(ready.predict, ui.predictButton, process_until)
    assert ready.server.asked[0].test_time == "none" and ui.predictTable.item(0, 2).text() == "0.800"
    table = ready.predict.predicted.tableNode.GetTable()
    assert np.isnan(table.GetColumnByName("low").GetValue(0)), "an empty number, not a text"


def test_choices_live_in_the_scene(ready, radiographs):
    ready.segment.ui.mirrorCheck.checked = True
    node = ready.widget.logic.getParameterNode()
    assert node.segmentVolume is ready.source and node.segmentMirror and node.predictImages == radiographs
    slicer.mrmlScene.Clear(0)
    assert ready.segment.segmented is None and not ready.segment.ui.segmentButton.enabled


@pytest.fixture
def logic(load_module, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    load_module("MedSSLInference")
    from MedSSLInference import MedSSLInferenceLogic

    logic = MedSSLInferenceLogic()
    logic.transport = inference_fakes.BlockingTransport(fakes.TaskBackend())
    return logic


def test_console(logic):
    volume = inference_fakes.phantom("chest", (64, 56, 32))
    node = logic.segment(volume, fakes.LUNGS, overlap=0.5)
    assert node.IsA("vtkMRMLSegmentationNode") and logic.transport.backend.asked[0].overlap == 0.5
    table = logic.predict([volume], fakes.FINDINGS, test_time="mirror")
    assert table.GetName() == "Prediction of chest" and table.GetNumberOfRows() == 2


def test_console_refuses_before_anything_is_sent(logic, scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with pytest.raises(VolumeError, match="has no voxels"):
        logic.segment(empty, fakes.LUNGS)
    with pytest.raises(InputError, match="volume: is missing"):
        logic.predict([], fakes.FINDINGS)
    with pytest.raises(InputError, match="model: is missing"):
        logic.segment(inference_fakes.phantom(), "")
    assert not logic.transport.backend.calls
