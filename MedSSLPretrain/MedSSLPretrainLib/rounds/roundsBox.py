"""The section "Rounds": which case to label next, and how the score moved with each round of labelling and training."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from MedSSLLib.backend.qtTransport import unlessDisconnected
from MedSSLLib.steps import StepRunner
from MedSSLLib.widgets.actionBox import Action, ActionBox, unfulfilled
from MedSSLLib.widgets.fitting import breakable, softLabel
from MedSSLLib.widgets.modelChoice import can
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.capabilities import EMBED, SEGMENT
from medssl.core.errors import CatalogError
from MedSSLPretrainLib.labels.labelledSet import learnsSegments
from MedSSLPretrainLib.labels.labelledVolumes import mayBeUnlabelled, segmentationOf, setSegmentation, volumesOfScene
from MedSSLPretrainLib.labels.segmentClasses import commonClasses
from MedSSLPretrainLib.rounds.roundTables import roundsText, scoreTitle, showCases, showRounds
from MedSSLPretrainLib.runs.continueSteps import isJob
from MedSSLPretrainLib.runs.finetuneSteps import classesOf
from MedSSLPretrainLib.runs.nextCaseSteps import NextCaseRun

LABELLING = "MedSSL.labelling"  # attribute of a segmentation that was begun here


def hasInference() -> bool:
    """Whether the module that segments and opens the editor is loaded; its logic comes with its whole panel."""
    return hasattr(slicer.modules, "medsslinference")


def inferenceLogic():
    """The logic of that module, for a click."""
    return slicer.util.getModuleLogic("MedSSLInference")


class RoundsBox(ActionBox):
    """Fills a frame with the section.

    Attributes: `rounds`, those of the model that is gone on from, as `api.rounds` gives them; `cases`, the ranked volume nodes.

    Args:
        frame: an empty widget of the panel with a layout.
        backend: has `transport`, `device` and `changed`.
        finetune: the FinetuneBox, whose model is gone on from.
        uiFile: MedSSLRounds.ui.
        inference: returns the logic of MedSSLInference.
    """

    def __init__(self, frame, backend, finetune, uiFile, inference: Callable = inferenceLogic) -> None:
        super().__init__(loadInto(frame, uiFile), "rounds")
        self._backend, self._finetune, self._inference = backend, finetune, inference
        self.rounds, self.cases, self._rows, self._asked, self._runner = [], [], (), None, None
        ui = self.ui
        for label in (ui.roundsStatus, ui.roundsText, ui.whyLabel):
            softLabel(label)
        finetune.heldOut = lambda: self.validation
        self._inputs = (ui.proposeCheck, ui.casesTable)
        ui.casesTable.connect("itemSelectionChanged()", self._onSelected)
        self._setActions(
            Action(
                ui.nextButton, _("Next case"), _("To find the next case: {wishes}"),
                _("Rank the unlabelled volumes: what the model is unsure of and what stands for many others comes first"),
                self._startNext, self._ranked, self._missingNext,
            ),
            Action(
                ui.labelButton, _("Label it"), _("To label a case: {wishes}"),
                _("Show the volume and open its segmentation in the Segment Editor"),
                self._startLabelling, self._labelled, self._missingLabel,
            ),
        )  # fmt: skip
        backend.changed.connect(self._backendChanged)
        finetune.chosenChanged.connect(self.refresh)
        finetune.models.listed.connect(lambda _models: self._listed())
        self._showRounds([])
        self._showCases((), [])

    @property
    def validation(self) -> frozenset:
        """The patients that validate in every round."""
        return frozenset(self.rounds[-1]["validation"]) if self.rounds else frozenset()

    def summary(self) -> str:
        """The last round in a few words; "" before the first."""
        known = [one for one in self.rounds if one["score"] is not None]
        if not known:
            return ""
        text = _("Round {number}: {metric} {score}")
        return text.format(number=known[-1]["number"], metric=scoreTitle(known), score=f"{known[-1]['score']:.3f}")

    def refresh(self) -> None:
        """Another model is chosen, or the scene has changed."""
        present = {node.GetID() for node in volumesOfScene()}
        if any(node.GetID() not in present for node in self.cases):
            self._showCases((), [])
        self._askRounds()
        self.update()

    def forget(self) -> None:
        """The scene closes: its volumes go, and nobody waits for what is asked about them."""
        self.leave()
        self._showCases((), [])

    def close(self) -> None:
        """The panel goes away: nobody asks any more."""
        super().close()
        if self._runner is not None:
            self._runner.stop()
        self._backend.changed.disconnect(self._backendChanged)

    def _backendChanged(self) -> None:
        self._asked = None
        self.refresh()

    def _listed(self) -> None:
        self._asked = None  # a round may have ended: the chain is read again
        self.refresh()

    def _model(self) -> str:
        """What ranks the volumes: the model that is gone on from, else one to start from that gives embeddings, else none."""
        own, models = self._finetune.ownModel(), self._finetune.models
        if own is not None and can(own, SEGMENT):
            return own["model"]
        return models.reference if models.model is not None and can(models.model, EMBED, SEGMENT) else ""

    def _askRounds(self) -> None:
        own, transport = self._finetune.ownModel(), self._backend.transport
        job = own["model"] if own is not None and isJob(own["model"]) else ""
        if transport is None or not job:
            self._asked = None
            self._showRounds([])
        elif job != self._asked:
            self._asked = job
            if self._runner is not None:
                self._runner.stop()
            self._runner = StepRunner(
                _roundsOf(job), transport, self._showRounds, unlessDisconnected(self.showError)
            ).start()

    def _showRounds(self, rounds) -> None:
        self.rounds = list(rounds)
        showRounds(self.ui.roundsTable, self.rounds)
        self.ui.roundsTable.visible = bool(self.rounds)
        self.ui.roundsText.text = breakable(roundsText(self.rounds))

    def _showCases(self, rows, nodes) -> None:
        self._rows, self.cases = rows, list(nodes)
        showCases(self.ui.casesTable, rows)
        for widget in (self.ui.casesTable, self.ui.whyLabel, self.ui.proposeCheck):
            widget.visible = bool(self.cases)
        self._onSelected()

    def _selected(self):
        row = self.ui.casesTable.currentRow()
        return self.cases[row] if 0 <= row < len(self.cases) else None

    def _onSelected(self) -> None:
        row = self.ui.casesTable.currentRow()
        self.ui.whyLabel.text = breakable(f"{self._rows[row]['why']}.") if 0 <= row < len(self._rows) else ""
        self.update()

    def _missingNext(self) -> list[str]:
        volumes = volumesOfScene()
        return unfulfilled(
            (self._backend.transport is not None, _("start the backend")),
            (any(map(self._mayBeCandidate, volumes)), _("load volumes that are not labelled yet")),
        )

    def _missingLabel(self) -> list[str]:
        return unfulfilled(
            (
                learnsSegments(self._finetune.tasks.name),
                _("write it into the table of Fine-tune: the task learns no segments"),
            ),
            (self._selected() is not None, _("ask for the next case and choose one")),
            (hasInference(), _("load the module MedSSL Inference")),
        )

    def _mayBeCandidate(self, volume) -> bool:
        """Cheap, since it is asked at every change: the click looks closer at predictions."""
        if learnsSegments(self._finetune.tasks.name):
            return mayBeUnlabelled(volume)
        return not self._finetune.isComplete(volume)

    def _startNext(self, onProgress, onFinished, onFailed):
        transport = self._backend.transport
        run = NextCaseRun(
            transport.sharesFiles,
            self._model(),
            self.validation,
            self._finetune.isComplete,
            onProgress,
            device=self._backend.device,
        )
        return run.start(transport, onFinished, onFailed)

    def _ranked(self, answer) -> None:
        rows, nodes, info = answer
        self._showCases(rows, nodes)
        by = {
            "prediction": _("Ranked by what the model is unsure of and what stands for many"),
            "embedding": _("Ranked by what stands for many, as the pretrained model sees it"),
            "statistics": _("Ranked by which images stand for many: no model was asked"),
        }[info["by"]]
        skipped = [note for note in info.get("notes", ()) if "left out" in note]
        self.ui.roundsStatus.text = " ".join([f"{by}.", *(f"{note}." for note in skipped)])

    def _startLabelling(self, onProgress, onFinished, onFailed):
        """Go on with the segmentation that there is, or let the model propose one, or begin with an empty one."""
        volume, own, logic = self._selected(), self._finetune.ownModel(), self._inference()
        existing, transport = segmentationOf(volume), self._backend.transport
        if existing is None and self.ui.proposeCheck.checked and own is not None and can(own, SEGMENT):
            if transport is None:
                raise CatalogError(_("backend"), _("does not run, and the model is to propose"), _("Start it, or untick the proposal"))  # fmt: skip
            run = logic.run("segment", volume, own["model"], onProgress=onProgress, device=self._backend.device)
            return run.start(transport, lambda made: onFinished((made.node, volume)), onFailed)
        if existing is None:
            known = [node for node in map(segmentationOf, self._finetune.table.volumes) if node is not None]
            existing = logic.emptySegmentation(volume, classesOf(own) or commonClasses(known))
            existing.SetAttribute(LABELLING, "1")
        onFinished((existing, volume))
        return None

    def _labelled(self, opened) -> None:
        node, volume = opened
        if segmentationOf(volume) is None:  # the user had chosen none for it
            setSegmentation(volume, node)
        self.ui.roundsStatus.text = _("{name} is open. Correct it, then press Continue in Fine-tune.").format(
            name=node.GetName()
        )
        self._inference().edit(node, volume)


def _roundsOf(job: str):
    return (yield api.rounds(job))
