"""The section "Segment": a fine-tuned model makes a segmentation of a volume, for the user to correct."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from MedSSLLib.scene.volumeExport import isFlat
from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.rowsTable import fillRows
from MedSSLInferenceLib.panel.runStates import Action, RunStates
from MedSSLInferenceLib.runs.restorationRun import requirePresent
from MedSSLInferenceLib.scene.segmentationNodes import showSegmented

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLSegment.ui"
PURPOSES = ("segmentation",)


class SegmentBox:
    """Fills a frame with the section.

    Attributes: `segmented`, what the last run left in the scene.

    Args:
        frame: an empty widget of the panel with a layout.
        logic: a MedSSLInferenceLogic.
        models: the panel's ModelChoice.
        layoutManager: function that returns Slicer's layout manager or None.
        device: function that returns the name of the device to use.
        openEditor: told a segmentation node and its volume node, lets the user correct the segmentation.
    """

    def __init__(
        self, frame, logic, models, layoutManager: Callable, device: Callable[[], str], openEditor: Callable
    ) -> None:
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        for widget in (self.widget, ui.segmentSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self._logic, self._models, self._layoutManager, self._device = logic, models, layoutManager, device
        self.segmented, self._transport, self._openEditor = None, None, openEditor
        action = Action(
            ui.segmentButton, _("Segment"), _("To segment: {wishes}"),
            _("Let the model segment the volume; the segmentation is added to the scene"),
            self._start, self._onFinished, self._missing,
        )  # fmt: skip
        self._states = RunStates([action], ui.segmentProgress, ui.segmentStatus, ui.segmentError, self._onState)
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self.update())
        ui.editButton.connect("clicked(bool)", lambda _checked: self._edit())
        ui.segmentTable.visible = ui.correctFrame.visible = False
        self.update()

    @property
    def section(self):
        """The collapsible button."""
        return self.ui.segmentSection

    @property
    def state(self) -> str:
        """One of runStates' names."""
        return self._states.state

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self._transport = transport
        self.update()

    def setParameterNode(self, parameterNode) -> None:
        """The widgets are bound by their names."""

    def forgetScene(self) -> None:
        """The scene is closed: its nodes are gone, and nobody waits for the result of a run."""
        self.segmented = None
        self.ui.segmentTable.visible = self.ui.correctFrame.visible = False
        self._states.reset()

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        self._states.close()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        self._states.update()

    def _start(self, onProgress, onFinished, onFailed):
        run = self._logic.run(
            "segment", self.ui.segmentSelector.currentNode(), self._models.reference, onProgress=onProgress,
            mirror=self.ui.mirrorCheck.checked, device=self._device(),
        )  # fmt: skip
        return run.start(self._transport, onFinished, onFailed)

    def _missing(self) -> list[str]:
        wishes = [
            (self.ui.segmentSelector.currentNode() is not None, _("load a volume or a radiograph")),
            (self._transport is not None, _("start the backend")),
            (bool(self._models.reference), _("choose a model or a weight file")),
            (self._models.fits(*PURPOSES), _("choose a model that was fine-tuned for segmentation")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _onState(self) -> None:
        self.ui.segmentSelector.enabled = self.ui.mirrorCheck.enabled = not self._states.busy

    def _onFinished(self, segmented) -> None:
        self.segmented = segmented
        ui, flat = self.ui, isFlat(segmented.volume)
        key, title = ("area_cm2", _("Area (cm²)")) if flat else ("volume_ml", _("Volume (ml)"))
        rows = [(row["class"], str(row["voxels"]), _number(row.get(key))) for row in segmented.table]
        fillRows(ui.segmentTable, (_("Segment"), _("Pixels") if flat else _("Voxels"), title), rows)
        ui.segmentTable.visible = ui.correctFrame.visible = True
        notes = [f"{note}." for note in segmented.info.get("notes", ())]
        ui.segmentStatus.text = " ".join([_("{name} is in the scene.").format(name=segmented.node.GetName()), *notes])
        showSegmented(segmented.volume, self._layoutManager())

    def _edit(self) -> None:
        self._states.showError(None)
        try:
            requirePresent([self.segmented.node], _("Segment the volume again"))
            self._openEditor(self.segmented.node, self.segmented.volume)
        except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
            self._states.showError(error)


def _number(value) -> str:
    return "-" if value is None else f"{value:.4g}"
