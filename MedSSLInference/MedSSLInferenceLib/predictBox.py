"""The section "Predict": probabilities of radiographs or volumes by a fine-tuned classifier or a probe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from MedSSLLib.modelChoice import PROBING, chosen
from MedSSLLib.volumeExport import isFlat
from slicer.i18n import tr as _

from MedSSLInferenceLib.radiographForm import viewTitles
from MedSSLInferenceLib.rowsTable import fillRows
from MedSSLInferenceLib.runStates import Action, RunStates

UI_FILE = Path(__file__).resolve().parents[1] / "Resources" / "UI" / "MedSSLPredict.ui"
PURPOSES = ("classification", PROBING)


def testTimeTitles() -> dict[str, str]:
    """What is averaged over, by the name that a PredictRequest uses."""
    return {
        "": _("As the model was trained"), "none": _("Nothing (one look)"), "mirror": _("Mirrored images"),
        "ten-crop": _("Ten crops"),
    }  # fmt: skip


class PredictBox:
    """Fills a frame with the section.

    Attributes: `predicted`, what the last run left in the scene.

    Args:
        frame, logic, models, device: as in SegmentBox.
    """

    def __init__(self, frame, logic, models, device: Callable[[], str]) -> None:
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        for widget in (self.widget, ui.predictSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self._logic, self._models, self._device = logic, models, device
        self.predicted = self._transport = self._parameterNode = None
        for key, title in testTimeTitles().items():
            ui.testTimeCombo.addItem(title, key)
        for key, title in {**viewTitles(), "": _("3D volumes (as they are)")}.items():
            ui.predictViewCombo.addItem(title, key)
        action = Action(
            ui.predictButton, _("Predict"), _("To predict: {wishes}"),
            _("Let the model classify the ticked images; a table is added to the scene"),
            self._start, self._onFinished, self._missing,
        )  # fmt: skip
        self._states = RunStates([action], ui.predictProgress, ui.predictStatus, ui.predictError, self._onState)
        ui.predictSelector.connect("checkedNodesChanged()", self._onChoice)
        ui.predictViewCombo.connect("currentIndexChanged(int)", lambda _index: self._onChoice())
        ui.predictTable.visible = False
        self._onChoice()

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
        self.predicted = None
        self.ui.predictTable.visible = False
        self._states.reset()

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        self._states.close()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
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
            (self._models.fits(*PURPOSES), _("choose a fine-tuned classifier or a probe")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _onState(self) -> None:
        for widget in (self.ui.predictSelector, self.ui.predictViewCombo, self.ui.testTimeCombo):
            widget.enabled = not self._states.busy

    def _onFinished(self, predicted) -> None:
        self.predicted = predicted
        rows = [(row["name"], row["class"], _probability(row), _verdict(row)) for row in predicted.table]
        fillRows(self.ui.predictTable, (_("Image"), _("Class"), _("Probability"), _("Result")), rows)
        self.ui.predictTable.visible = True
        notes = [f"{note}." for note in predicted.info.get("notes", ())]
        name = predicted.tableNode.GetName()
        self.ui.predictStatus.text = " ".join([_("The table {name} is in the scene.").format(name=name), *notes])


def _probability(row) -> str:
    text = f"{row['probability']:.3f}"
    return text if row["low"] is None else f"{text} ({row['low']:.3f}-{row['high']:.3f})"


def _verdict(row) -> str:
    if row["threshold"] is None:
        return _("likeliest") if row["positive"] else ""
    title = _("positive (from {threshold:.2f})") if row["positive"] else _("negative (below {threshold:.2f})")
    return title.format(threshold=row["threshold"])
