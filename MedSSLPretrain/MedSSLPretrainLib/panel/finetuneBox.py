"""The section "Fine-tune": train on labelled volumes of the scene, and go on with corrected predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from MedSSLLib.scene.labelMaps import isCorrected, isPrediction
from MedSSLLib.steps import StepRunner
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.modelChoice import ModelChoice, chosen, purpose
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import CatalogError, MedSSLError, WeightsError
from MedSSLPretrainLib.labels.labelColumns import LabelColumns
from MedSSLPretrainLib.labels.labelledSet import SEGMENTATION, LabelledSet, check, checkModel
from MedSSLPretrainLib.labels.labelledVolumes import labelsOf, segmentationOf, volumesOfScene
from MedSSLPretrainLib.labels.volumesTable import VolumesTable
from MedSSLPretrainLib.panel.dataBox import modalityTitles
from MedSSLPretrainLib.panel.methodBox import MethodBox, knownTasks
from MedSSLPretrainLib.runs.finetuneSteps import finetuneSteps

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLFinetune.ui"
HIDDEN = ("classes", "labels")  # settings that the table of volumes answers
KINDS = ("finetune", "probe")


class FinetuneBox:
    """Fills a frame with the section.

    Signals: `submitted(JobView)`; `cancelled()`, the user wants the followed job to stop; `chosenChanged()`.

    Args:
        frame: an empty widget of the panel with a layout.
        backend: has `transport`, `device` and `changed`.
        running: whether the followed job is one of this section and not at its end.
    """

    def __init__(self, frame, backend, running: Callable[[], bool]) -> None:
        self.submitted, self.cancelled, self.chosenChanged = Signal(), Signal(), Signal()
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        for widget in (self.widget, ui.labelTableSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self._backend, self._running = backend, running
        self._runner = self._parameterNode = self.models = None
        self.tasks = MethodBox(ui, knownTasks(), HIDDEN)
        self.table = VolumesTable(ui.volumesTable)
        self.columns = LabelColumns(ui, self._showError)
        self.models = ModelChoice(ui.startFromCombo, ui.startFromPath, self._chosen, none=_("Nothing (from scratch)"))
        for key, title in modalityTitles().items():
            ui.modalityCombo.addItem(title, key)
        for button, slot in (
            (ui.tickAllButton, self.tickComplete), (ui.untickButton, lambda: self.table.tick(())),
            (ui.refreshModelsButton, self.refreshModels), (ui.finetuneButton, self._startOrCancel),
            (ui.continueButton, self.goOn),
        ):  # fmt: skip
            button.connect("clicked(bool)", lambda _on, slot=slot: slot())
        for part in (self.tasks, self.table, self.columns):
            part.changed.connect(self._chosen)
        backend.changed.connect(self.update)
        showError(ui.finetuneError, None)
        self._observed = [
            slicer.mrmlScene.AddObserver(event, lambda *_: self.refresh())
            for event in (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent,
                          slicer.vtkMRMLScene.EndBatchProcessEvent)
        ]  # fmt: skip
        self._chosen()

    def chosen(self) -> LabelledSet:
        """The user's choice; it may be empty."""
        common = dict(volumes=self.table.volumes, modality=chosen(self.ui.modalityCombo) or "")
        if self.tasks.name == SEGMENTATION:
            return LabelledSet(segmentations=self.table.segmentations, **common)
        return LabelledSet(columns=self.columns.names, **common)

    def missing(self) -> str:
        """Why nothing can start now, or ""."""
        if self._backend.transport is None:
            return _("Start the backend first")
        if not self.table.count:
            return _("Load volumes first")
        if not self.models.complete:
            return _("Choose the weight file to start from")
        try:
            check(self.chosen(), self.tasks.name)
            checkModel(self.models.model, self.tasks.name, self.models.reference)
        except MedSSLError as error:
            return str(error)
        return self.tasks.missing()

    def update(self) -> None:
        """Bring buttons and status up to date."""
        ui, missing = self.ui, self.missing()
        cancels, sending = self._running(), self._runner is not None
        titles = {SEGMENTATION: _("Fine-tune"), "probing": _("Probe")}
        title = titles.get(self.tasks.name, _("Fine-tune"))
        ui.finetuneButton.text = _("Cancel") if cancels else _("Sending...") if sending else title
        ui.finetuneButton.enabled = not sending and (cancels or not missing)
        tip = _("Train the model on the ticked volumes")
        ui.finetuneButton.toolTip = _("Stop at the next step") if cancels else missing or tip
        ui.continueButton.visible = self.tasks.name == SEGMENTATION
        ui.continueButton.enabled = not sending and not cancels and self._backend.transport is not None
        ui.continueButton.toolTip = _(
            "Go on from the fine-tuned model, with the segmentations that it made and you corrected added to the ticked ones"
        )
        ui.statusLabel.text = "" if cancels or sending else missing
        ui.statusLabel.visible = bool(ui.statusLabel.text)
        self.table.setEnabled(not sending)

    def refresh(self) -> None:
        """The scene has changed, or the user comes back from another module."""
        if not slicer.mrmlScene.IsBatchProcessing():
            self.table.refresh()
            self.update()
            self.chosenChanged.emit()

    def refreshModels(self) -> None:
        """Ask the backend for its tasks and models."""
        transport = self._backend.transport
        if transport is not None:
            transport.send(api.tasks(), self.tasks.setMethods, self._showError)
            transport.send(api.models(), self._onModels, self._showError)

    def tickComplete(self) -> None:
        """Tick every volume that has what the task learns from."""
        if self.tasks.name == SEGMENTATION:
            self.table.tick([v for v in volumesOfScene() if _isLearnable(v, segmentationOf(v))])
        else:
            self.table.tick([v for v in volumesOfScene() if labelsOf(v, self.columns.names)])

    def goOn(self) -> None:
        """Start from the fine-tuned model with the corrected segmentations added to the ticked volumes."""
        try:
            model = self._ownModel()
            corrected = [v for v in volumesOfScene() if _wasCorrected(v, segmentationOf(v))]
            if not corrected:
                rule, remedy = _("was corrected since it was made"), _(
                    "Segment a volume (MedSSL Inference), correct it (Segment Editor), then continue; "
                    "or tick further volumes and start from {model} by hand"
                ).format(model=model["name"])  # fmt: skip
                raise CatalogError(_("no segmentation"), rule, remedy)
        except MedSSLError as error:
            self._showError(error)
            return
        ticked = {node.GetID() for node in (*self.table.volumes, *corrected)}
        self.table.tick([node for node in volumesOfScene() if node.GetID() in ticked])
        self.models.select(model["model"])
        if missing := self.missing():
            self._showError(CatalogError(_("training set"), missing))
        else:
            self.start()

    def start(self) -> None:
        """Send volumes and label maps, and start the job."""
        self._showError(None)
        task, config = self.tasks.spec()
        transport = self._backend.transport
        steps = finetuneSteps(
            self.chosen(), transport.sharesFiles, task, config, self.models.reference, name=self.ui.nameEdit.text.strip(),
            device=self._backend.device, partial_weights=self.ui.partialCheck.checked,
        )  # fmt: skip
        self._runner = StepRunner(steps, transport, self._onSubmitted, self._onFailed)
        self.update()
        self._runner.start()

    def setParameterNode(self, node) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._parameterNode = None
        if node is not None:
            combo = self.ui.methodCombo
            combo.setCurrentIndex(max(0, combo.findData(node.task)))
            self.columns.set(tuple(name for name in node.labelColumns.split(",") if name))
            self.table.tick([volume for volume in node.labelledVolumes if volume is not None])
            self.models.select(node.startFrom)
        self._parameterNode = node
        self._chosen()

    def close(self) -> None:
        """Stop asking."""
        self.forget()
        for tag in self._observed:
            slicer.mrmlScene.RemoveObserver(tag)
        self._backend.changed.disconnect(self.update)

    def forget(self) -> None:
        """Nobody waits any more for what is being sent."""
        if self._runner is not None:
            self._runner.stop()
            self._runner = None

    def _startOrCancel(self) -> None:
        if self._running():
            self.cancelled.emit()
        else:
            self.start()

    def _ownModel(self) -> dict[str, Any]:
        """The chosen model, or the newest one, of this task."""
        task = self.tasks.name
        own = [model for model in (self.models.model, *self.models.models) if model and purpose(model) == task]
        if not own:
            rule = _("is there to go on from")
            raise WeightsError(
                _("no fine-tuned model"), rule, _("Fine-tune one first, or start the backend that has it")
            )
        return own[0]

    def _chosen(self) -> None:
        if self.models is None:  # still being built
            return
        self._showError(None)
        isSegmentation, node = self.tasks.name == SEGMENTATION, self._parameterNode
        self.ui.labelsFrame.visible = not isSegmentation
        self.table.setColumns(None if isSegmentation else self.columns.names)
        if node is not None:
            node.task, node.labelColumns = self.tasks.name, ",".join(self.columns.names)
            node.labelledVolumes, node.startFrom = list(self.table.volumes), self.models.reference
        self.update()
        self.chosenChanged.emit()

    def _onModels(self, models) -> None:
        wanted = self.models.reference
        self.models.setModels(models)
        if any(model["model"] == wanted for model in models):  # until now it stood there as if it were a file
            self.models.select(wanted)

    def _onSubmitted(self, view) -> None:
        self._runner = None
        self.submitted.emit(view)
        self.update()

    def _onFailed(self, error: Exception) -> None:
        self._runner = None
        self.update()
        self._showError(error)

    def _showError(self, error: Exception | None) -> None:
        showError(self.ui.finetuneError, error)


def _isLearnable(volume, segmentation) -> bool:
    """Not what a model predicted and nobody looked at: learning from that teaches nothing."""
    return segmentation is not None and (not isPrediction(segmentation) or isCorrected(segmentation, volume))


def _wasCorrected(volume, segmentation) -> bool:
    return segmentation is not None and isCorrected(segmentation, volume)
