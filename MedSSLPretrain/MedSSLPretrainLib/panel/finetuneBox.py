"""The section "Fine-tune": train on labelled volumes of the scene, and go on with corrected predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.backend.qtTransport import unlessDisconnected
from MedSSLLib.scene.labelMaps import isCorrected
from MedSSLLib.scene.sceneWatch import SceneWatch
from MedSSLLib.steps import StepRunner, Steps
from MedSSLLib.widgets.actionBox import Action
from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.fitting import breakable, narrow, softLabel
from MedSSLLib.widgets.modelChoice import ModelChoice, chosen, fillCombo, purpose
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import CatalogError, MedSSLError, WeightsError
from MedSSLPretrainLib.labels.channelsTable import ChannelsTable
from MedSSLPretrainLib.labels.labelColumns import LabelColumns
from MedSSLPretrainLib.labels.labelledSet import (
    LabelledSet,
    check,
    checkModel,
    checkNetworks,
    learnsSegments,
    patients,
    taskEntry,
)
from MedSSLPretrainLib.labels.labelledVolumes import isLabelled, labelsOf, segmentationOf, volumesOfScene
from MedSSLPretrainLib.labels.volumesTable import VolumesTable
from MedSSLPretrainLib.panel.dataTexts import modalityTitles
from MedSSLPretrainLib.panel.jobBox import UI_FOLDER, JobBox
from MedSSLPretrainLib.panel.methodBox import MethodBox, knownTasks
from MedSSLPretrainLib.rounds.roundsBox import LABELLING
from MedSSLPretrainLib.runs.continueSteps import continueSteps, isJob
from MedSSLPretrainLib.runs.finetuneSteps import finetuneSteps, planSteps
from MedSSLPretrainLib.runs.nextCaseSteps import completeSteps
from MedSSLPretrainLib.views.planView import PlanView

HIDDEN = ("classes", "labels")  # settings that the table of volumes answers
MODEL_NAME = 14  # characters, beside what the model is and its date
CHIEF = ("probe", "training.steps", "training.batch_size")


class FinetuneBox(JobBox):
    """Fills a frame with the section.

    Signal: `chosenChanged()`; see JobBox for the others.

    Attributes: `tasks`, task and settings; `table` of the volumes; `channels` of each; `columns` of labels; `models` to start
    from; `heldOut`, says which patients validate in every round.

    Args:
        frame: an empty widget of the panel with a layout.
        backend, running: as in JobBox.
    """

    KINDS = ("finetune", "probe", "ensemble")

    def __init__(self, frame, backend, running: Callable[..., bool]) -> None:
        super().__init__(
            loadInto(frame, UI_FOLDER / "MedSSLFinetune.ui", "labelTableSelector"), "finetune", backend, running
        )
        self.chosenChanged, self.heldOut = Signal(), frozenset
        ui = self.ui
        self._parameterNode = self.models = self._continued = self._looking = self._planned = None
        self._round = ("", "")  # the model that is gone on from, and the job that does
        self._inputs = (ui.volumesTable, ui.channelsFrame)
        self.tasks = MethodBox(ui, knownTasks(), HIDDEN, CHIEF)
        self.table = VolumesTable(ui.volumesTable)
        self.channels = ChannelsTable(ui)
        self.columns = LabelColumns(ui, self.showError)
        self.models = ModelChoice(
            ui.startFromCombo, ui.startFromPath, self._chosen, none=_("Nothing (from scratch)"), nameLength=MODEL_NAME
        )
        fillCombo(ui.modalityCombo, modalityTitles())
        narrow(ui.labelTableSelector)
        softLabel(ui.startFromCard)
        for button, slot in (
            (ui.tickAllButton, self.tickComplete), (ui.untickButton, lambda: self.table.tick(())),
            (ui.continueButton, self.goOn),
        ):  # fmt: skip
            button.connect("clicked(bool)", lambda _on, slot=slot: slot())
        self.plan = PlanView(
            ui.planButton, ui.planLabel, backend, self._planSteps, self.missing, lambda error: self.showError(error)
        )
        for part in (self.tasks, self.table, self.channels, self.columns):
            part.changed.connect(self._chosen)
        ui.networksSpin.connect("valueChanged(int)", lambda _count: self._chosen())
        ui.modalityCombo.connect("currentIndexChanged(int)", lambda _index: self._chosen())
        self._watch = SceneWatch(self.refresh)
        self._setJob(
            ui.finetuneButton, _("Fine-tune"), _("Train the model on the ticked volumes"), _("Stop at the next step")
        )
        self._chosen()

    def chosen(self) -> LabelledSet:
        """The user's choice; it may be empty."""
        common = dict(volumes=self.table.volumes, modality=chosen(self.ui.modalityCombo) or "")
        if learnsSegments(self.tasks.name):
            several = self.channels.count > 1
            common |= dict(further=self.channels.further if several else (), channelNames=self.channels.names)
            return LabelledSet(segmentations=self.table.segmentations, **common)
        return LabelledSet(columns=self.columns.names, **common)

    @property
    def networks(self) -> int:
        """So many are trained on folds, to answer together; 1: no ensemble."""
        return self.ui.networksSpin.value if learnsSegments(self.tasks.name) else 1

    def summary(self) -> str:
        """The choice in a few words; "" while no volume is ticked."""
        count = len(self.table.volumes)
        images = counted(count, _("{count} volume"), _("{count} volumes"))
        return f"{self.tasks.summary()}: {images}" if count else ""

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
            checkNetworks(self.chosen(), self.networks)
            checkModel(self.models.model, self.tasks.name, self.models.reference)
        except MedSSLError as error:
            return str(error)
        return self.tasks.missing()

    def update(self) -> None:
        """Bring buttons and status up to date."""
        super().update()
        ui = self.ui
        ui.continueButton.visible = ui.planButton.visible = learnsSegments(self.tasks.name)
        self.plan.update()
        ui.continueButton.enabled = not (self.busy or self._running(*self.KINDS) or self._backend.transport is None)
        ui.continueButton.toolTip = _(
            "Go on from the fine-tuned model for about a minute, with the segmentations that you made or corrected since added to "
            "the ticked ones; the validation cases stay the same"
        )

    def refresh(self) -> None:
        """The scene has changed, or the user comes back from another module."""
        self.table.refresh()
        self.channels.show(self.table.volumes)
        self.update()
        self.chosenChanged.emit()

    def refreshModels(self) -> None:
        """Ask the backend for its tasks and models."""
        transport = self._backend.transport
        if transport is not None:
            transport.send(api.tasks(), self.tasks.setMethods, unlessDisconnected(self.showError))
            transport.send(api.models(), self._onModels, unlessDisconnected(self.showError))

    def tickComplete(self) -> None:
        """Tick every volume that has what the task learns from."""
        self._look(completeSteps(volumesOfScene(), self.isComplete), self.table.tick)

    def goOn(self) -> None:
        """Start from the fine-tuned model with the segmentations made or corrected since added to the ticked volumes."""
        try:
            model = self._ownModel()
        except MedSSLError as error:
            self.showError(error)
        else:
            self._look(self._addedSteps(model["name"]), lambda added: self._goOn(model, added))

    def _addedSteps(self, model: str) -> Steps:
        """The volumes that the next round takes beside the ticked ones: those that were labelled, and those that validate."""
        nodes, held = volumesOfScene(), self.heldOut()
        labelled = yield from completeSteps(nodes, lambda volume: _wasLabelled(volume, segmentationOf(volume)))
        if not labelled:
            rule, remedy = _("was corrected since it was made"), _(
                "Take the next case (Rounds), label or correct it (Segment Editor), then continue; "
                "or tick further volumes and start from {model} by hand"
            ).format(model=model)  # fmt: skip
            raise CatalogError(_("no segmentation"), rule, remedy)
        validating = [node for node, patient in zip(nodes, patients(nodes)) if patient in held]
        return [*labelled, *(yield from completeSteps(validating, self.isComplete))]

    def _goOn(self, model: dict[str, Any], added: list) -> None:
        if self.busy or self._running(*self.KINDS):  # another one was started meanwhile
            return
        ticked = {node.GetID() for node in (*self.table.volumes, *added)}
        self.table.tick([node for node in volumesOfScene() if node.GetID() in ticked])
        self.models.select(model["model"])
        if missing := self.missing():
            self.showError(CatalogError(_("training set"), missing))
        else:
            self._continued = model if isJob(model["model"]) else None
            self.start()
            self._continued = None

    def setParameterNode(self, node) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._parameterNode = None
        if node is not None:
            combo = self.ui.methodCombo
            combo.setCurrentIndex(max(0, combo.findData(node.task)))
            self.columns.set(tuple(name for name in node.labelColumns.split(",") if name))
            self.channels.set(node.channelCount, node.channelNames)
            self.table.tick([volume for volume in node.labelledVolumes if volume is not None])
            self.models.select(node.startFrom)
            self.ui.networksSpin.value = node.networks
            modality = self.ui.modalityCombo
            modality.setCurrentIndex(max(0, modality.findData(node.taskModality)))
        self._parameterNode = node
        self._chosen()

    def forget(self) -> None:
        """Nobody waits any more for what is being looked at, planned or sent."""
        if self._looking is not None:
            self._looking.stop()
        self._planned = None
        self.plan.forget()
        super().forget()

    def close(self) -> None:
        """The panel goes away: nobody asks any more; jobs go on."""
        super().close()
        self.plan.close()
        self._watch.close()

    def _look(self, steps: Steps, onDone: Callable) -> None:
        """Look at the scene's volumes, one an event loop; what was being looked for before is dropped."""
        if self._looking is not None:
            self._looking.stop()
        self._looking = StepRunner(steps, None, onDone, self.showError)
        self._looking.start()

    def _runFinished(self, view) -> None:
        if view.spec.data.validation_of:
            self._round = self.models.reference, view.id
        super()._runFinished(view)

    def _title(self, action: Action) -> str:
        return _("Probe") if taskEntry(self.tasks.name).needs_model else action.title

    def _steps(self, sharesFiles: bool) -> Steps:
        task, config = self.tasks.spec()
        if self._continued is not None:
            about = dict(name=self.ui.nameEdit.text.strip(), device=self._backend.device)
            return continueSteps(self.chosen(), sharesFiles, task, self._continued, **about)
        return finetuneSteps(
            self.chosen(), sharesFiles, task, config, self.models.reference, name=self.ui.nameEdit.text.strip(),
            device=self._backend.device, partial_weights=self.ui.partialCheck.checked, networks=self.networks,
        )  # fmt: skip

    def _planSteps(self, sharesFiles: bool, stopped: Callable, onProgress: Callable) -> Steps:
        task, config = self.tasks.spec()
        return planSteps(
            self.chosen(), sharesFiles, task, config, self.models.reference, stopped, onProgress,
            device=self._backend.device,
        )  # fmt: skip

    def _forgetOldPlan(self) -> None:
        """A plan is of the choice that it was asked about; signals come without a change, too."""
        choice = (self.tasks.choice(), self.chosen(), self.models.reference)
        if choice != self._planned:
            self._planned = choice
            self.plan.forget()

    def ownModel(self) -> dict[str, Any] | None:
        """The chosen model, or the newest one, of this task; None where there is none."""
        task = self.tasks.name
        own = (model for model in (self.models.model, *self.models.models) if model and purpose(model) == task)
        return next(own, None)

    def isComplete(self, volume) -> bool:
        """Whether a volume has what the task learns from; a prediction that nobody looked at is none."""
        return isLabelled(volume) if learnsSegments(self.tasks.name) else bool(labelsOf(volume, self.columns.names))

    def _ownModel(self) -> dict[str, Any]:
        own = self.ownModel()
        if own is None:
            rule = _("is there to go on from")
            raise WeightsError(
                _("no fine-tuned model"), rule, _("Fine-tune one first, or start the backend that has it")
            )
        return own

    def _chosen(self) -> None:
        if self.models is None:  # still being built
            return
        self.showError(None)
        isSegmentation, node = learnsSegments(self.tasks.name), self._parameterNode
        self.ui.labelsFrame.visible, self.ui.channelsFrame.visible = not isSegmentation, isSegmentation
        self.ui.networksLabel.visible = self.ui.networksSpin.visible = isSegmentation
        self.channels.show(self.table.volumes)
        self.ui.startFromCard.text = breakable(self.models.card)
        self.ui.startFromCard.visible = bool(self.models.card)
        self.table.setColumns(None if isSegmentation else self.columns.names)
        if node is not None:
            node.task, node.labelColumns = self.tasks.name, ",".join(self.columns.names)
            node.channelCount, node.channelNames = self.channels.count, self.ui.channelNamesEdit.text
            node.labelledVolumes, node.startFrom = list(self.table.volumes), self.models.reference
            node.networks, node.taskModality = self.ui.networksSpin.value, chosen(self.ui.modalityCombo) or ""
        self._forgetOldPlan()  # when the tables show the choice
        self.update()
        self.chosenChanged.emit()

    def _onModels(self, models) -> None:
        wanted, (before, job) = self.models.reference, self._round
        if job and wanted == before and any(model["model"] == job for model in models):
            wanted, self._round = job, ("", "")  # the next round goes on from this one
        self.models.setModels(models)
        if any(model["model"] == wanted for model in models):  # until now it stood there as if it were a file
            self.models.select(wanted)


def _wasLabelled(volume, segmentation) -> bool:
    """Whether a model's segmentation was corrected, or one that was begun as the next case holds something."""
    if segmentation is None:
        return False
    return isCorrected(segmentation, volume) or bool(segmentation.GetAttribute(LABELLING) and isLabelled(volume))
