"""The section "Segment": a fine-tuned model makes a segmentation of a volume, for the user to correct."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.actionBox import Action, unfulfilled
from MedSSLLib.widgets.fitting import elideMiddle
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.core.capabilities import SEGMENT
from MedSSLInferenceLib.panel.channelRows import NAME, ChannelRows, channelNames
from MedSSLInferenceLib.panel.inspectionBox import UI_FOLDER, InspectionBox, withNotes
from MedSSLInferenceLib.panel.rowsTable import fillRows
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.views.segmentViews import showSegmented


class SegmentBox(InspectionBox):
    """Fills a frame with the section.

    Attributes: `segmented`, what the last run left in the scene.

    Args:
        frame: an empty widget of the panel with a layout.
        common: logic, models, layoutManager and device, as in InspectionBox.
        openEditor: called with a segmentation node and its volume node, lets the user correct the segmentation.
    """

    NEEDS = (SEGMENT,)

    def __init__(self, frame, *common, openEditor: Callable) -> None:
        super().__init__(loadInto(frame, UI_FOLDER / "MedSSLSegment.ui", "segmentSelector"), "segment", *common)
        self.segmented, self._openEditor = None, openEditor
        ui = self.ui
        self.channels = ChannelRows(ui.channelsFrame, self._chose, self.update)
        self._volumeTitle, self._mirrorTip = ui.segmentLabel.text, ui.mirrorCheck.toolTip
        self._inputs = (ui.segmentSelector, ui.mirrorCheck, ui.uncertaintyCheck, ui.channelsFrame)
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self._chose())
        ui.editButton.connect("clicked(bool)", lambda _checked: self._edit())
        self._forgetResults()
        self._setActions(
            Action(
                ui.segmentButton, _("Segment"), _("To segment: {wishes}"),
                _("Let the model segment the volume; the segmentation is added to the scene"),
                self._start, self._onSegmented, self._missing,
            )
        )  # fmt: skip

    def update(self) -> None:
        """Also offer the further channels that the chosen model needs."""
        if not self.busy:
            names, node = channelNames(self._models.model), self.ui.segmentSelector.currentNode()
            self.channels.show(names, node)
            self.ui.segmentLabel.text = f"{elideMiddle(names[0], NAME)}:" if names else self._volumeTitle
        knows = _knowsMirrored(self._models.model)
        self.ui.mirrorCheck.enabled = knows and not self.busy
        self.ui.mirrorCheck.toolTip = (
            self._mirrorTip
            if knows
            else _("Not with this model: it was trained without mirrored images and would answer noise")
        )
        super().update()

    def close(self) -> None:
        """The panel goes away."""
        super().close()
        self.channels.close()

    def _forgetResults(self) -> None:
        self.segmented = None
        self.ui.segmentTable.visible = self.ui.correctFrame.visible = False

    def _volumes(self) -> list:
        return [self.ui.segmentSelector.currentNode()]

    def _start(self, *callbacks):
        ui = self.ui
        mirror = ui.mirrorCheck.checked and _knowsMirrored(self._models.model)
        ticked = dict(mirror=mirror, uncertainty=ui.uncertaintyCheck.checked)
        return self._ask("segment", ui.segmentSelector.currentNode(), callbacks, channels=self.channels.nodes, **ticked)

    def _advice(self) -> str:
        return withNotes(super()._advice(), {"notes": self.channels.notes()})

    def _missing(self) -> list[str]:
        return unfulfilled(
            (self.ui.segmentSelector.currentNode() is not None, _("load a volume or a radiograph")),
            *self._modelWishes(_("choose a model that was fine-tuned for segmentation")),
            *self.channels.wishes(),
        )

    def _onSegmented(self, segmented) -> None:
        self.segmented = segmented
        ui, flat = self.ui, isFlat(segmented.volume)
        key, title = ("area_cm2", _("Area (cm²)")) if flat else ("volume_ml", _("Volume (ml)"))
        rows = [(row["class"], str(row["voxels"]), _number(row.get(key))) for row in segmented.table]
        fillRows(ui.segmentTable, (_("Segment"), _("Pixels") if flat else _("Voxels"), title), rows)
        ui.segmentTable.visible = ui.correctFrame.visible = True
        text = _("{name} is in the scene.").format(name=segmented.node.GetName())
        ui.segmentStatus.text = withNotes(text, segmented.info)
        self.step.summarize(text)
        showSegmented(segmented.volume, self._layoutManager(), segmented.uncertainty)

    def _edit(self) -> None:
        self.showError(None)
        try:
            requirePresent([self.segmented.node], _("Segment the volume again"))
            self._openEditor(self.segmented.node, self.segmented.volume)
        except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
            self.showError(error)


def _knowsMirrored(model) -> bool:
    """May the model be asked about mirrored images? Also where its file, of before, does not say."""
    task = ((model or {}).get("plan") or {}).get("task") or {}
    return task.get("mirrored", True)


def _number(value) -> str:
    return "-" if value is None else f"{value:.4g}"
