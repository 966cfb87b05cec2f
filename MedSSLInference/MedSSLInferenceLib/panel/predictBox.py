"""The section "Predict": probabilities of radiographs or volumes, and where in a radiograph they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.modelChoice import PROBING, chosen
from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.predictionTable import PredictionTable
from MedSSLInferenceLib.panel.runStates import Action, RunStates
from MedSSLInferenceLib.radiographs.radiographForm import viewTitles
from MedSSLInferenceLib.runs.restorationRun import requirePresent
from MedSSLInferenceLib.views.saliencyOverlay import setSaliencyOpacity, showSaliency

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLPredict.ui"
ARK = "ark"
PURPOSES = ("classification", PROBING, ARK)
JOINED = " + "  # between the heads of an averaged row
EXPLAINED = ("classification", ARK)  # probes stand on a model that they do not bring along


def testTimeTitles() -> dict[str, str]:
    """What is averaged over, by the name that a PredictRequest uses."""
    return {
        "": _("As the model was trained"), "none": _("Nothing (one look)"), "mirror": _("Mirrored images"),
        "ten-crop": _("Ten crops"),
    }  # fmt: skip


def saliencyTitles() -> dict[str, str]:
    """How a map can be made, by the name that a SaliencyRequest uses."""
    return {"grad-cam": _("Grad-CAM (seconds)"), "occlusion": _("Occlusion (slower)")}


class PredictBox:
    """Fills a frame with the section.

    Attributes: `predicted` and `saliency`, what the last runs left in the scene; `table`, a PredictionTable.

    Args:
        frame, logic, models, layoutManager, device: as in SegmentBox.
    """

    def __init__(self, frame, logic, models, layoutManager: Callable, device: Callable[[], str]) -> None:
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        for widget in (self.widget, ui.predictSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self._logic, self._models, self._layoutManager, self._device = logic, models, layoutManager, device
        self.predicted = self.saliency = self._transport = self._parameterNode = self._states = None
        self.table = PredictionTable(ui.predictTable, ui.predictSearchEdit, self.update)
        for combo, titles in (
            (ui.testTimeCombo, testTimeTitles()),
            (ui.predictViewCombo, {**viewTitles(), "": _("3D volumes (as they are)")}),
            (ui.saliencyMethodCombo, saliencyTitles()),
        ):
            for key, title in titles.items():
                combo.addItem(title, key)
        self._states = RunStates(self._actions(), ui.predictProgress, ui.predictStatus, ui.predictError, self._onState)
        ui.predictSelector.connect("checkedNodesChanged()", self._onChoice)
        ui.predictViewCombo.connect("currentIndexChanged(int)", lambda _index: self._onChoice())
        ui.saliencyOpacitySlider.connect("valueChanged(double)", self._onOpacity)
        ui.saliencyFrame.visible = False
        self._onChoice()

    def _actions(self) -> list[Action]:
        predict = Action(
            self.ui.predictButton, _("Predict"), _("To predict: {wishes}"),
            _("Let the model classify the ticked images; a table is added to the scene"),
            self._start, self._onFinished, self._missing,
        )  # fmt: skip
        where = Action(
            self.ui.whereButton, _("Where?"), _("To see where: {wishes}"),
            _("Map where the chosen row's probability comes from, and compare with a network of random weights"),
            self._startSaliency, self._onSaliency, self._missingForSaliency,
        )  # fmt: skip
        return [predict, where]

    @property
    def section(self):
        """The collapsible button."""
        return self.ui.predictSection

    @property
    def state(self) -> str:
        """One of runStates' names."""
        return self._states.state

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self._transport = transport
        self.update()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._parameterNode = None
        if parameterNode is not None:
            combo = self.ui.predictViewCombo
            combo.setCurrentIndex(max(0, combo.findData(parameterNode.predictView)))
            for node in parameterNode.predictImages:
                if node is not None:
                    self.ui.predictSelector.check(node)
        self._parameterNode = parameterNode

    def forgetScene(self) -> None:
        """The scene is closed: its nodes are gone, and nobody waits for the result of a run."""
        self.predicted = self.saliency = None
        self.table.clear()
        self.ui.saliencyFrame.visible = False
        self._states.reset()

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        self._states.close()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        if self._states is None:  # still being built
            return
        self.ui.findingsLabel.visible = self.ui.findingsEdit.visible = self._models.method in ("", ARK)
        self._states.update()

    def _onChoice(self) -> None:
        nodes, view = list(self.ui.predictSelector.checkedNodes()), chosen(self.ui.predictViewCombo)
        if self._parameterNode is not None:
            self._parameterNode.predictImages, self._parameterNode.predictView = nodes, view
        has3d = not all(isFlat(node) for node in nodes)
        self.ui.predictViewLabel.visible = self.ui.predictViewCombo.visible = has3d
        self.update()

    def _start(self, onProgress, onFinished, onFailed):
        run = self._logic.run(
            "predict", self.ui.predictSelector.checkedNodes(), self._models.reference, onProgress=onProgress,
            view=chosen(self.ui.predictViewCombo), test_time=chosen(self.ui.testTimeCombo), device=self._device(),
            findings=self._findings(),
        )  # fmt: skip
        return run.start(self._transport, onFinished, onFailed)

    def _findings(self) -> list[str]:
        """Names between commas; none where the field is not shown."""
        text = self.ui.findingsEdit.text if self._models.method in ("", ARK) else ""
        return [name.strip() for name in text.split(",") if name.strip()]

    def _startSaliency(self, onProgress, onFinished, onFailed):
        row, predicted = self.table.row, self.predicted
        node = predicted.images[row["image"]]
        requirePresent([node], _("Load it and predict again"))
        head = row.get("head") or ""
        run = self._logic.run(
            "saliency", node, predicted.info["model"], finding=row["class"], head="" if JOINED in head else head,
            view=predicted.view, method=chosen(self.ui.saliencyMethodCombo), device=self._device(), onProgress=onProgress,
        )  # fmt: skip
        return run.start(self._transport, onFinished, onFailed)

    def _missing(self) -> list[str]:
        nodes = self.ui.predictSelector.checkedNodes()
        loaded = self.ui.predictSelector.nodeCount() > 0
        wishes = [
            (bool(nodes), _("tick an image") if loaded else _("load a radiograph or a volume")),
            (
                chosen(self.ui.predictViewCombo) or len({isFlat(node) for node in nodes}) < 2,
                _("choose a projection or a slice of the 3D volumes, or tick either radiographs or volumes"),
            ),
            (self._transport is not None, _("start the backend")),
            (bool(self._models.reference), _("choose a model or a weight file")),
            (self._models.fits(*PURPOSES), _("choose a fine-tuned classifier or a probe, or a pretrained Ark")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _missingForSaliency(self) -> list[str]:
        wishes = [
            (self.predicted is not None, _("predict first")),
            (self.predicted is None or self.table.row is not None, _("choose a row of the table")),
            (self._transport is not None, _("start the backend")),
            (self._models.fits(*EXPLAINED), _("choose a classifier of radiographs or a pretrained Ark")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _onState(self) -> None:
        ui = self.ui
        for widget in (
            ui.predictSelector,
            ui.testTimeCombo,
            ui.predictViewCombo,
            ui.findingsEdit,
            ui.saliencyMethodCombo,
        ):
            widget.enabled = not self._states.busy

    def _onFinished(self, predicted) -> None:
        self.predicted = predicted
        self.table.show(predicted.table)
        self.ui.saliencyFrame.visible = self._models.fits(*EXPLAINED)
        notes = [f"{note}." for note in predicted.info.get("notes", ())]
        name = predicted.tableNode.GetName()
        self.ui.predictStatus.text = " ".join([_("The table {name} is in the scene.").format(name=name), *notes])
        self.update()

    def _onSaliency(self, found) -> None:
        self.saliency = found
        showSaliency(found, self._layoutManager(), self.ui.saliencyOpacitySlider.value)
        notes = [f"{note}." for note in found.info.get("notes", ())]
        self.ui.predictStatus.text = " ".join([f"{found.text}.", _("No segmentation, and no proof."), *notes])

    def _onOpacity(self, value: float) -> None:
        if self.saliency is not None:
            setSaliencyOpacity(self.saliency, self._layoutManager(), value)
