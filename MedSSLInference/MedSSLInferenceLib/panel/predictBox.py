"""The section "Predict": probabilities of radiographs or volumes, and where in a radiograph they come from."""

from __future__ import annotations

from MedSSLLib.scene.tickedNodes import TickedNodes
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.actionBox import Action, unfulfilled
from MedSSLLib.widgets.modelChoice import chosen, fillCombo
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.core.capabilities import CLASSES, EXPLAIN, HEADS
from MedSSLInferenceLib.panel.inspectionBox import UI_FOLDER, InspectionBox, withNotes
from MedSSLInferenceLib.panel.predictionTable import PredictionTable
from MedSSLInferenceLib.runs.radiographImages import viewTitles
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.views.saliencyOverlay import setSaliencyOpacity, showSaliency

JOINED = " + "  # between the heads of an averaged row


def testTimeTitles() -> dict[str, str]:
    """What is averaged over, by the name that a PredictRequest uses."""
    return {
        "": _("As the model was trained"), "none": _("Nothing (one look)"), "mirror": _("Mirrored images"),
        "ten-crop": _("Ten crops"),
    }  # fmt: skip


def saliencyTitles() -> dict[str, str]:
    """How a map can be made, by the name that a SaliencyRequest uses."""
    return {"grad-cam": _("Grad-CAM"), "occlusion": _("Occlusion (slower)")}


class PredictBox(InspectionBox):
    """Fills a frame with the section.

    Attributes: `predicted` and `saliency`, what the last runs left in the scene; `table`, a PredictionTable.

    Args:
        frame: an empty widget of the panel with a layout.
        common: logic, models, layoutManager and device, as in InspectionBox.
    """

    NEEDS = (CLASSES, HEADS)

    def __init__(self, frame, *common) -> None:
        super().__init__(loadInto(frame, UI_FOLDER / "MedSSLPredict.ui", "predictSelector"), "predict", *common)
        self.predicted = self.saliency = None
        ui = self.ui
        self._inputs = (
            ui.predictSelector, ui.testTimeCombo, ui.predictViewCombo, ui.findingsEdit, ui.saliencyMethodCombo,
        )  # fmt: skip
        self.table = PredictionTable(ui.predictTable, ui.predictSearchEdit, self.update)
        fillCombo(ui.testTimeCombo, testTimeTitles())
        fillCombo(ui.predictViewCombo, {**viewTitles(), "": _("3D volumes (as they are)")})
        fillCombo(ui.saliencyMethodCombo, saliencyTitles())
        self._ticked = TickedNodes(ui.predictSelector, self._onChoice)
        for combo in (ui.predictViewCombo, ui.testTimeCombo, ui.saliencyMethodCombo):
            combo.connect("currentIndexChanged(int)", lambda _index: self._onChoice())
        ui.findingsEdit.connect("textChanged(QString)", lambda _text: self._onChoice())
        ui.saliencyOpacitySlider.connect("valueChanged(double)", self._onOpacity)
        ui.saliencyFrame.visible = False
        predict = Action(
            ui.predictButton, _("Predict"), _("To predict: {wishes}"),
            _("Let the model classify the ticked images; a table is added to the scene"),
            self._start, self._onPredicted, self._missing,
        )  # fmt: skip
        where = Action(
            ui.whereButton, _("Where?"), _("To see where: {wishes}"),
            _("Map where the chosen row's probability comes from, and compare with a network of random weights"),
            self._startSaliency, self._onSaliency, self._missingForSaliency,
        )  # fmt: skip
        self._setActions(predict, where)
        self._onChoice()

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        super().close()
        self._ticked.close()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        self.ui.findingsLabel.visible = self.ui.findingsEdit.visible = self._models.can(HEADS)
        super().update()

    def _takeChoices(self, parameterNode) -> None:
        ui = self.ui
        for combo, value in (
            (ui.predictViewCombo, parameterNode.predictView), (ui.testTimeCombo, parameterNode.predictTestTime),
            (ui.saliencyMethodCombo, parameterNode.saliencyMethod),
        ):  # fmt: skip
            combo.setCurrentIndex(max(0, combo.findData(value)))
        ui.findingsEdit.text = parameterNode.predictFindings
        for node in parameterNode.predictImages:
            if node is not None:
                self.ui.predictSelector.check(node)

    def _forgetResults(self) -> None:
        self.predicted = self.saliency = None
        self.table.clear()
        self.ui.saliencyFrame.visible = False

    def _onChoice(self) -> None:
        ui, kept = self.ui, self._parameterNode
        nodes = list(ui.predictSelector.checkedNodes())
        if kept is not None:
            kept.predictImages, kept.predictView = nodes, chosen(ui.predictViewCombo)
            kept.predictTestTime, kept.saliencyMethod = chosen(ui.testTimeCombo), chosen(ui.saliencyMethodCombo)
            kept.predictFindings = ui.findingsEdit.text
        has3d = not all(isFlat(node) for node in nodes)
        self.ui.predictViewLabel.visible = self.ui.predictViewCombo.visible = has3d
        self.update()

    def _volumes(self) -> list:
        return [] if chosen(self.ui.predictViewCombo) else list(self.ui.predictSelector.checkedNodes())

    def _start(self, *callbacks):
        ui = self.ui
        return self._ask(
            "predict", ui.predictSelector.checkedNodes(), callbacks, view=chosen(ui.predictViewCombo),
            test_time=chosen(ui.testTimeCombo), findings=self._findings(),
        )  # fmt: skip

    def _findings(self) -> list[str]:
        """Names between commas; none where the field is not shown."""
        text = self.ui.findingsEdit.text if self._models.can(HEADS) else ""
        return [name.strip() for name in text.split(",") if name.strip()]

    def _startSaliency(self, *callbacks):
        row, predicted = self.table.row, self.predicted
        node, head = predicted.images[row["image"]], row.get("head") or ""
        requirePresent([node], _("Load it and predict again"))
        return self._ask(
            "saliency", node, callbacks, model=predicted.info["model"], finding=row["class"], view=predicted.view,
            head="" if JOINED in head else head, method=chosen(self.ui.saliencyMethodCombo),
        )  # fmt: skip

    def _missing(self) -> list[str]:
        nodes = self.ui.predictSelector.checkedNodes()
        loaded = self.ui.predictSelector.nodeCount() > 0
        return unfulfilled(
            (nodes, _("tick an image") if loaded else _("load a radiograph or a volume")),
            (
                chosen(self.ui.predictViewCombo) or len({isFlat(node) for node in nodes}) < 2,
                _("choose a projection or a slice of the 3D volumes, or tick either radiographs or volumes"),
            ),
            *self._modelWishes(_("choose a fine-tuned classifier or a probe, or a pretrained Ark")),
        )

    def _missingForSaliency(self) -> list[str]:
        return unfulfilled(
            (self.predicted is not None, _("predict first")),
            (self.predicted is None or self.table.row is not None, _("choose a row of the table")),
            (self._transport is not None, _("start the backend")),
            (self._models.can(EXPLAIN), _("choose a classifier of radiographs or a pretrained Ark")),
        )

    def _onPredicted(self, predicted) -> None:
        self.predicted = predicted
        self.table.show(predicted.table)
        self.ui.saliencyFrame.visible = self._models.can(EXPLAIN)
        text = _("The table {name} is in the scene.").format(name=predicted.tableNode.GetName())
        self.ui.predictStatus.text = withNotes(text, predicted.info)
        likeliest = max(predicted.table, key=lambda row: row["probability"], default=None)
        if likeliest is not None:
            summary = _("{name}: {finding} {probability:.2f} is the highest")
            self.step.summarize(summary.format(finding=likeliest["class"], **likeliest))
        self.update()

    def _onSaliency(self, found) -> None:
        self.showMap(found)
        text = " ".join([f"{found.text}.", _("This is no segmentation, and no proof.")])
        self.ui.predictStatus.text = withNotes(text, found.info)

    def showMap(self, found) -> None:
        """Show a saliency map over its image."""
        self.saliency = found
        showSaliency(found, self._layoutManager(), self.ui.saliencyOpacitySlider.value)

    def _onOpacity(self, value: float) -> None:
        if self.saliency is not None:
            setSaliencyOpacity(self.saliency, self._layoutManager(), value)
