"""Predictions of an Ark, head by head, and the map of where they come from: clicked, and in the console."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from refusals import refused
from scaffold import phantoms
from scaffold.tasks import ARK, ARK_MODEL, FINDINGS, MODELS, TaskServer

from medssl.core.errors import WeightsError


@pytest.fixture
def ready(make_inference, process_until):
    """A radiograph is ticked, the backend is up, an Ark is chosen."""
    panel = make_inference(TaskServer(models=[ARK_MODEL, *MODELS]), "predict")
    panel.image = phantoms.radiograph("chest", (240, 200))
    panel.ui.predictSelector.check(panel.image)
    panel.connect(process_until)
    panel.choose(ARK)
    return panel


@pytest.fixture
def predicted(ready, process_until):
    ready.finish(ready.ui.predictButton, process_until)
    return ready


def rows(table) -> list[list[str]]:
    shown = [n for n in range(table.rowCount) if not table.isRowHidden(n)]
    return [[table.item(n, column).text() for column in range(table.columnCount)] for n in shown]


def test_head_by_head(predicted, grab):
    table = predicted.ui.predictTable
    assert len(rows(table)) == 8 and rows(table)[3] == ["Pleural Effusion", "chexpert", "0.830"]
    bar = table.cellWidget(3, 2)
    assert (bar.value, bar.maximum, bar.format) == (830, 1000, "0.830")
    node = predicted.box.predicted.tableNode
    assert node.GetNumberOfRows() == 8 and node.GetColumnName(2) == "head"
    assert not predicted.ui.whereButton.enabled and "choose a row" in predicted.ui.whereButton.toolTip
    predicted.grab(grab, "predict-ark")


def test_search(predicted):
    predicted.ui.predictSearchEdit.text = "effusion"
    assert [row[:2] for row in rows(predicted.ui.predictTable)] == [
        ["Pleural Effusion", "chexpert"],
        ["Effusion", "chestxray14"],
    ]
    predicted.ui.predictSearchEdit.text = "card chestx"
    assert [row[:2] for row in rows(predicted.ui.predictTable)] == [["Cardiomegaly", "chestxray14"]]
    predicted.ui.predictSearchEdit.text = ""
    assert len(rows(predicted.ui.predictTable)) == 8


def test_findings_are_asked_for_by_name(ready, process_until):
    ready.ui.findingsEdit.text = " Effusion, TB=shenzhen:TB ,"
    ready.finish(ready.ui.predictButton, process_until)
    assert ready.server.asked[0].findings == ("Effusion", "TB=shenzhen:TB")
    ready.ui.predictTable.setCurrentCell(8, 0)
    ready.finish(ready.ui.whereButton, process_until)
    assert (ready.server.asked[1].head, ready.server.asked[1].finding) == ("", "Effusion"), "averaged over heads"
    ready.choose(FINDINGS)
    assert not ready.ui.findingsEdit.visible
    ready.finish(ready.ui.predictButton, process_until)
    assert ready.server.asked[2].findings == ()


def test_where(predicted, process_until, grab):
    predicted.ui.predictTable.setCurrentCell(3, 0)
    assert predicted.ui.whereButton.enabled
    predicted.finish(predicted.ui.whereButton, process_until)
    request, found = predicted.server.asked[1], predicted.box.saliency
    assert (request.model, request.finding, request.head) == (ARK, "Pleural Effusion", "chexpert")
    assert request.method == "grad-cam" and request.check
    values = slicer.util.arrayFromVolume(found.node)
    assert values.shape == (1, 200, 240) and values.max() == pytest.approx(1, abs=0.01)
    assert np.array_equal(phantoms.ijk_to_ras(found.node), phantoms.ijk_to_ras(predicted.image))
    assert found.node.GetName() == "chest: where Pleural Effusion is seen (grad-cam)"
    lines = [found.label.GetNthControlPointLabel(n) for n in range(2)]
    assert lines == [
        "Integrated Grad-CAM of Pleural Effusion (chexpert), probability 0.83",
        "differs from random weights (rank correlation 0.12)",
    ]
    composite = red().mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == predicted.image.GetID()
    assert composite.GetForegroundVolumeID() == found.node.GetID() and composite.GetForegroundOpacity() == 0.6
    assert "differs from random weights" in predicted.ui.predictStatus.text
    predicted.ui.saliencyOpacitySlider.value = 0.8
    assert composite.GetForegroundOpacity() == pytest.approx(0.8)
    predicted.grab(grab, "predict-saliency")
    grab(slicer.app.layoutManager().viewport(), "predict-saliency-view", 760, 640)
    predicted.grabBeside(grab, "saliency", 880)


def red():
    return slicer.app.layoutManager().sliceWidget("Red")


def test_asking_again_replaces_the_map(predicted, scene, process_until):
    predicted.ui.predictTable.setCurrentCell(3, 0)
    predicted.finish(predicted.ui.whereButton, process_until)
    first = predicted.box.saliency
    predicted.server.similarity = 0.71
    predicted.finish(predicted.ui.whereButton, process_until)
    again = predicted.box.saliency
    assert (again.node, again.label) == (first.node, first.label)
    assert (
        again.label.GetNthControlPointLabel(1).startswith("does NOT differ from random weights")
        and again.label.GetNumberOfControlPoints() == 2
    )
    assert again.label.GetDisplayNode().GetSelectedColor() != (1.0, 1.0, 1.0), "a failed check catches the eye"
    combo = predicted.ui.saliencyMethodCombo
    combo.setCurrentIndex(combo.findData("occlusion"))
    predicted.finish(predicted.ui.whereButton, process_until)
    other = predicted.box.saliency
    assert other.node is not first.node and predicted.server.asked[-1].method == "occlusion"
    assert not first.label.GetDisplayNode().GetVisibility() and other.label.GetDisplayNode().GetVisibility()


def test_the_view_looks_as_before_once_it_shows_another_image(predicted, process_until):
    ct, composite, node = phantoms.volume("ct"), red().mrmlSliceCompositeNode(), red().mrmlSliceNode()
    composite.SetBackgroundVolumeID(ct.GetID())
    node.SetOrientation("Coronal")
    before = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, :3].copy()
    for number in (3, 4):  # a second map is of the same turned view
        predicted.ui.predictTable.setCurrentCell(number, 0)
        predicted.finish(predicted.ui.whereButton, process_until)
        assert not np.allclose(slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, :3], before)
    composite.SetBackgroundVolumeID(ct.GetID())
    process_until(lambda: np.allclose(slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, :3], before))


def test_failures_are_shown(predicted, scene, process_until):
    predicted.ui.predictTable.setCurrentCell(3, 0)
    predicted.server.fails = WeightsError("model", "gives no saliency map", "Choose an Ark")
    predicted.finish(predicted.ui.whereButton, process_until, state="failed")
    assert "gives no saliency map" in predicted.ui.predictError.text
    predicted.server.fails = None
    scene.RemoveNode(predicted.image)
    predicted.finish(predicted.ui.whereButton, process_until, state="failed")
    assert "was removed from the scene" in predicted.ui.predictError.text
    assert not [
        node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node.GetAttribute("MedSSL.saliency")
    ]


def test_running_is_cancelled(predicted, process_until):
    predicted.ui.predictTable.setCurrentCell(0, 0)
    predicted.server.polls = None
    predicted.ui.whereButton.click()
    process_until(lambda: predicted.ui.predictProgress.value == 40)
    assert predicted.ui.whereButton.text == "Cancel" and not predicted.ui.predictButton.enabled
    predicted.ui.whereButton.click()
    process_until(lambda: predicted.box.state == "idle")
    assert predicted.ui.predictStatus.text == "Cancelled" and predicted.box.saliency is None


def test_other_models(ready, process_until):
    """A probe predicts as before, and has nothing to show on the image."""
    ready.choose(FINDINGS)
    ready.finish(ready.ui.predictButton, process_until)
    assert rows(ready.ui.predictTable)[0] == ["Pneumonia", "0.800", "positive"]
    tip = ready.ui.predictTable.item(0, 1).toolTip()
    assert "chest: Pneumonia 0.800 (0.750-0.850); positive from 0.41" in tip
    assert not ready.ui.saliencyFrame.visible and not ready.ui.predictSearchEdit.visible
    ready.choose(ARK)
    ready.finish(ready.ui.predictButton, process_until)
    assert ready.ui.predictTable.columnCount == 3 and ready.ui.saliencyFrame.visible
    slicer.mrmlScene.Clear(0)
    assert ready.box.predicted is None and not ready.ui.predictTable.visible and not ready.ui.saliencyFrame.visible


def test_volume_as_a_radiograph(ready, process_until):
    ready.ui.predictSelector.uncheck(ready.image)
    volume = phantoms.volume("ct", (64, 56, 32))
    ready.ui.predictSelector.check(volume)
    combo = ready.ui.predictViewCombo
    combo.setCurrentIndex(combo.findData("frontal"))
    ready.finish(ready.ui.predictButton, process_until)
    ready.ui.predictTable.setCurrentCell(0, 0)
    ready.finish(ready.ui.whereButton, process_until)
    assert ready.box.saliency.image.GetName() == "ct frontal (simulated)"


@pytest.fixture
def logic(make_logic):
    return make_logic("MedSSLInference", TaskServer())


def test_console(logic):
    image = phantoms.radiograph("chest", (64, 60))
    table = logic.predict([image], ARK, heads=["chexpert"], findings=["Effusion"])
    asked = logic.server.asked[0]
    assert (asked.heads, asked.findings) == (("chexpert",), ("Effusion",)) and table.GetNumberOfRows() == 9
    found = logic.saliency(image, ARK, "Effusion", method="occlusion", check=False)
    assert not logic.server.asked[1].check
    assert found.image is image and found.text.startswith("Occlusion of Effusion") and found.info["passed"]


def test_console_refuses_before_anything_is_sent(logic):
    image = phantoms.radiograph("chest", (64, 60))
    with refused("input-missing", names="finding"):
        logic.saliency(image, ARK, "")
    with refused("input-missing", names="volume"):
        logic.saliency(None, ARK, "Edema")
    with refused("not-2d", names="phantom"):
        logic.saliency(phantoms.volume(), ARK, "Edema")
    assert not logic.server.calls


def test_without_a_main_window(logic):
    from MedSSLInferenceLib.views.saliencyOverlay import setSaliencyOpacity, showSaliency

    found = logic.saliency(phantoms.radiograph("chest", (64, 60)), ARK, "Edema")
    assert not showSaliency(found, None, 0.5)
    setSaliencyOpacity(found, None, 0.5)
