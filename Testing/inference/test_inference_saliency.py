"""Predictions of an Ark, head by head, and the map of where they come from: clicked, and in the console."""

from __future__ import annotations

import apply_fakes as fakes
import correspond_fakes
import inference_fakes
import numpy as np
import pytest
import qt
import slicer

from medssl.core.errors import InputError, WeightsError

WIDTH = 470


@pytest.fixture
def panel(load_module, monkeypatch, tmp_path):
    """A radiograph is ticked, the backend is up, an Ark is chosen."""
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
        self.server.models = [fakes.ARK_MODEL, *fakes.MODELS]
        self.transport = inference_fakes.FakeTransport(self.server)
        self.widget = MedSSLInferenceWidget(parent, lambda frame: BackendBox(frame, process=self.process))
        self.widget.setup()
        self.box = self.widget.panel.predict
        self.ui, self.top = self.box.ui, self.widget.ui
        parent.resize(WIDTH, 700)
        parent.show()

    def choose(self, model: str) -> None:
        self.top.modelCombo.setCurrentIndex(self.top.modelCombo.findData(model))

    def finish(self, button, process_until) -> None:
        button.click()
        process_until(lambda: self.box.state in ("finished", "failed"))

    def grab(self, grab, name: str) -> None:
        for _ in range(4):  # sections that have just opened are laid out from the inside
            slicer.app.processEvents()
        grab(self.widget.parent, name, WIDTH, max(420, self.widget.parent.layout().totalHeightForWidth(WIDTH)))


@pytest.fixture
def ready(panel, process_until):
    panel.image = correspond_fakes.radiograph("chest", (240, 200))
    panel.ui.predictSelector.check(panel.image)
    panel.process.set(panel.transport)
    process_until(lambda: panel.top.modelCombo.count == 6)
    panel.choose(fakes.ARK)
    return panel


@pytest.fixture
def predicted(ready, process_until):
    ready.finish(ready.ui.predictButton, process_until)
    assert ready.box.state == "finished", ready.ui.predictError.text
    return ready


def rows(table) -> list[list[str]]:
    shown = [n for n in range(table.rowCount) if not table.isRowHidden(n)]
    return [[table.item(n, column).text() for column in range(table.columnCount)] for n in shown]


def test_head_by_head(predicted, grab):
    table = predicted.ui.predictTable
    assert len(rows(table)) == 8 and rows(table)[3] == ["Pleural Effusion", "chexpert", "chest", "0.830"]
    assert table.isColumnHidden(2), "one image needs no column"
    bar = table.cellWidget(3, 3)
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
    ready.box.table.choose(8)
    ready.finish(ready.ui.whereButton, process_until)
    assert (ready.server.asked[1].head, ready.server.asked[1].finding) == ("", "Effusion"), "averaged over heads"
    ready.choose(fakes.FINDINGS)
    assert not ready.ui.findingsEdit.visible
    ready.finish(ready.ui.predictButton, process_until)
    assert ready.server.asked[2].findings == ()


def test_where(predicted, process_until, grab):
    predicted.box.table.choose(3)
    assert predicted.ui.whereButton.enabled
    predicted.finish(predicted.ui.whereButton, process_until)
    assert predicted.box.state == "finished", predicted.ui.predictError.text
    request, found = predicted.server.asked[1], predicted.box.saliency
    assert (request.model, request.finding, request.head) == (fakes.ARK, "Pleural Effusion", "chexpert")
    assert request.method == "grad-cam" and request.check
    values = slicer.util.arrayFromVolume(found.node)
    assert values.shape == (1, 200, 240) and values.max() == pytest.approx(1, abs=0.01)
    assert np.array_equal(inference_fakes.ijk_to_ras(found.node), inference_fakes.ijk_to_ras(predicted.image))
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
    window = beside(predicted)
    grab(window, "saliency")
    for part in (predicted.widget.parent, slicer.app.layoutManager().viewport()):
        part.setParent(None)


def red():
    return slicer.app.layoutManager().sliceWidget("Red")


def beside(panel):
    """The panel beside the views, as a user sees them."""
    window = qt.QWidget()
    row = qt.QHBoxLayout(window)
    row.setContentsMargins(0, 0, 0, 0)
    panel.widget.parent.setFixedWidth(WIDTH)
    for part in (panel.widget.parent, slicer.app.layoutManager().viewport()):
        row.addWidget(part)
        part.show()
    window.resize(WIDTH + 640, 880)
    window.show()
    slicer.app.processEvents()
    slicer.app.layoutManager().resetSliceViews()
    return window


def test_asking_again_replaces_the_map(predicted, scene, process_until):
    predicted.box.table.choose(3)
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


def test_failures_are_told(predicted, scene, process_until):
    predicted.box.table.choose(3)
    predicted.server.fails = WeightsError("model", "gives no saliency map", "Choose an Ark")
    predicted.finish(predicted.ui.whereButton, process_until)
    assert predicted.box.state == "failed" and "gives no saliency map" in predicted.ui.predictError.text
    predicted.server.fails = None
    scene.RemoveNode(predicted.image)
    predicted.finish(predicted.ui.whereButton, process_until)
    assert predicted.box.state == "failed" and "was removed from the scene" in predicted.ui.predictError.text
    assert not [
        node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node.GetAttribute("MedSSL.saliency")
    ]


def test_running_is_cancelled(predicted, process_until):
    predicted.box.table.choose(0)
    predicted.server.polls = None
    predicted.ui.whereButton.click()
    process_until(lambda: predicted.ui.predictProgress.value == 40)
    assert predicted.ui.whereButton.text == "Cancel" and not predicted.ui.predictButton.enabled
    predicted.ui.whereButton.click()
    process_until(lambda: predicted.box.state == "idle")
    assert predicted.ui.predictStatus.text == "Cancelled" and predicted.box.saliency is None


def test_other_models(ready, process_until):
    """A probe predicts as before, and has nothing to show on the image."""
    ready.choose(fakes.FINDINGS)
    ready.finish(ready.ui.predictButton, process_until)
    assert rows(ready.ui.predictTable)[0] == ["chest", "Pneumonia", "0.800 (0.750-0.850)", "positive (from 0.41)"]
    assert not ready.ui.saliencyFrame.visible and not ready.ui.predictSearchEdit.visible
    ready.choose(fakes.ARK)
    ready.finish(ready.ui.predictButton, process_until)
    assert ready.ui.predictTable.columnCount == 4 and ready.ui.saliencyFrame.visible
    slicer.mrmlScene.Clear(0)
    assert ready.box.predicted is None and not ready.ui.predictTable.visible and not ready.ui.saliencyFrame.visible


def test_volume_as_a_radiograph(ready, process_until):
    ready.ui.predictSelector.uncheck(ready.image)
    volume = inference_fakes.phantom("ct", (64, 56, 32))
    ready.ui.predictSelector.check(volume)
    combo = ready.ui.predictViewCombo
    combo.setCurrentIndex(combo.findData("frontal"))
    ready.finish(ready.ui.predictButton, process_until)
    ready.box.table.choose(0)
    ready.finish(ready.ui.whereButton, process_until)
    assert ready.box.state == "finished", ready.ui.predictError.text
    assert ready.box.saliency.image.GetName() == "ct frontal (simulated)"


@pytest.fixture
def logic(load_module, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    load_module("MedSSLInference")
    from MedSSLInference import MedSSLInferenceLogic

    logic = MedSSLInferenceLogic()
    logic.transport = inference_fakes.BlockingTransport(fakes.TaskBackend())
    return logic


def test_console(logic):
    image = correspond_fakes.radiograph("chest", (64, 60))
    table = logic.predict([image], fakes.ARK, heads=["chexpert"], findings=["Effusion"])
    asked = logic.transport.backend.asked[0]
    assert (asked.heads, asked.findings) == (("chexpert",), ("Effusion",)) and table.GetNumberOfRows() == 9
    found = logic.saliency(image, fakes.ARK, "Effusion", method="occlusion", check=False)
    assert not logic.transport.backend.asked[1].check
    assert found.image is image and found.text.startswith("Occlusion of Effusion") and found.info["passed"]


def test_console_refuses_before_anything_is_sent(logic):
    image = correspond_fakes.radiograph("chest", (64, 60))
    with pytest.raises(InputError, match="finding: is missing"):
        logic.saliency(image, fakes.ARK, "")
    with pytest.raises(InputError, match="volume: is missing"):
        logic.saliency(None, fakes.ARK, "Edema")
    with pytest.raises(InputError, match="is a 3D volume"):
        logic.saliency(inference_fakes.phantom(), fakes.ARK, "Edema")
    assert not logic.transport.backend.calls


def test_without_a_main_window(logic):
    from MedSSLInferenceLib.views.saliencyOverlay import setSaliencyOpacity, showSaliency

    found = logic.saliency(correspond_fakes.radiograph("chest", (64, 60)), fakes.ARK, "Edema")
    assert not showSaliency(found, None, 0.5)
    setSaliencyOpacity(found, None, 0.5)
