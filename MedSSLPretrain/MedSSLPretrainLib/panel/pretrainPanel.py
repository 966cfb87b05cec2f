"""The panel's parts put together: start, cancel and resume a pretraining, and follow it."""

from __future__ import annotations

from MedSSLLib.backend.qtTransport import unlessDisconnected
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import readableBoxes
from MedSSLLib.widgets.keyboard import orderByParts
from MedSSLLib.widgets.runningJobs import RunningJobs

from medssl.client import api
from medssl.core.protocol import FINISHED, QUEUED, RUNNING
from MedSSLPretrainLib.panel.compareBox import CompareBox
from MedSSLPretrainLib.panel.dataBox import DataBox
from MedSSLPretrainLib.panel.finetuneBox import FinetuneBox
from MedSSLPretrainLib.panel.jobBox import UI_FOLDER
from MedSSLPretrainLib.panel.jobHistory import JobHistory
from MedSSLPretrainLib.panel.methodBox import MethodBox, knownMethods
from MedSSLPretrainLib.panel.panelSteps import PanelSteps
from MedSSLPretrainLib.panel.runBox import RunBox
from MedSSLPretrainLib.panel.sceneChoices import SceneChoices
from MedSSLPretrainLib.panel.startBox import StartBox
from MedSSLPretrainLib.rounds.roundsBox import RoundsBox, inferenceLogic
from MedSSLPretrainLib.runs.trainingSteps import JOB_POLL_S


class PretrainPanel:
    """Connects the boxes of the .ui file.

    Attribute: `choices`, what of them the scene keeps.

    Args:
        ui: widgets of MedSSLPretrain.ui.
        backend: a BackendBox, or a stand-in with `transport`, `device` and `changed`.
        pollSeconds: pause between two looks at the followed job.
        openUrl: shows a folder in the system's file manager.
        confirm: asks before something is deleted.
        askPath: asks for a dataset spec's file; see `SetsBox`.
        inference: returns the logic of MedSSLInference; see `RoundsBox`.
    """

    def __init__(
        self,
        ui,
        backend,
        pollSeconds: float = JOB_POLL_S,
        openUrl=None,
        confirm=None,
        askPath=None,
        inference=inferenceLogic,
    ) -> None:
        self.ui, self.backend = ui, backend
        self.methodBox = MethodBox(ui, knownMethods())
        self.dataBox = DataBox(ui, backend, self.methodBox.spec, askPath)
        self.runBox = RunBox(ui, backend, pollSeconds)
        self.history = JobHistory(ui, backend, openUrl, confirm)
        self.startBox = StartBox(ui, backend, self._runs, self.dataBox, self.methodBox)
        self.finetuneBox = FinetuneBox(ui.finetuneFrame, backend, self._runs)
        self.roundsBox = RoundsBox(ui.roundsFrame, backend, self.finetuneBox, UI_FOLDER / "MedSSLRounds.ui", inference)
        self.compareBox = CompareBox(ui.compareFrame, backend, self._runs, self.finetuneBox)
        self._jobBoxes = (self.startBox, self.finetuneBox, self.compareBox)
        self.choices, self.steps = SceneChoices(self), PanelSteps(self)
        self.running = RunningJobs(ui.runningFrame, backend, self.showJob, self.history.refresh)
        backend.changed.connect(self._backendChanged)
        self.dataBox.changed.connect(self.update)
        self.methodBox.changed.connect(self._methodChanged)
        self.runBox.changed.connect(self._seen)
        self.runBox.resumeWanted.connect(self.history.resume)
        self.runBox.reportWanted.connect(self.history.report)
        self.history.selected.connect(self._follow)
        self.history.shown.connect(self.showJob)
        self.history.listed.connect(self._listed)
        self.history.resumed.connect(self._resumed)
        for box in self._jobBoxes:
            box.submitted.connect(self._submitted)
            box.cancelled.connect(self._cancel)
        self._asked, self._following, self._ended = None, "", None
        self.dataBox.setMethod(self.methodBox.flat, self.methodBox.usesSpecs)
        self._backendChanged()
        root = ui.dataSection.parentWidget()
        readableBoxes(root)
        orderByParts(root)

    def showJob(self, jobId: str) -> None:
        """Show a job's progress, wherever it was started."""
        self.history.select(jobId)
        self._follow(jobId)
        self.steps.run.open()

    def _methodChanged(self) -> None:
        self.dataBox.setMethod(self.methodBox.flat, self.methodBox.usesSpecs)
        self.update()

    def update(self) -> None:
        """Bring the buttons that start jobs up to date."""
        for box in (*self._jobBoxes, self.roundsBox):
            box.update()
        self.steps.update()

    def close(self) -> None:
        """Let go of timers and connections; jobs go on."""
        self.backend.changed.disconnect(self._backendChanged)
        for box in (self.running, self.history, self.runBox, self.dataBox, self.roundsBox, *self._jobBoxes):
            box.close()

    def sceneClosing(self) -> None:
        """Nodes go; forget them. Jobs go on, and the followed one stays so."""
        self.dataBox.forgetNodes()
        for box in (self.finetuneBox, self.roundsBox, self.compareBox):
            box.forget()
        self.runBox.sceneClosing()

    def sceneClosed(self) -> None:
        """Make the chart's nodes anew."""
        self.runBox.sceneClosed()
        self.dataBox.update()
        self.finetuneBox.refresh()
        self.update()

    def _runs(self, *kinds: str) -> bool:
        """Whether the followed job is of one of these kinds and not at its end."""
        return self.runBox.active and self.runBox.view.spec.kind in kinds

    def _cancel(self) -> None:
        call = api.cancel(self.runBox.view.id)
        self.backend.transport.send(call, lambda _view: self.history.refresh(), self._failed)

    def _submitted(self, view) -> None:
        self.steps.started(view.spec.kind)
        self.history.add(view)
        self._follow(view.id)

    def _listed(self, views) -> None:
        """Models of jobs that ended meanwhile are offered to start from, whoever started those."""
        ended = {view.id for view in views if view.status.state == FINISHED}
        if self._ended is not None and ended - self._ended:
            self._refreshModels()
        self._ended = ended
        self.running.show(views)
        self.steps.update()

    def _resumed(self, jobId: str) -> None:
        self.history.refresh()
        if self.runBox.view is not None and self.runBox.view.id == jobId:
            self.runBox.followOn()
        else:
            self._follow(jobId)

    def _follow(self, jobId: str) -> None:
        if not jobId or not self.runBox.shows(jobId):
            self.runBox.follow(jobId)
        self.update()

    def _seen(self) -> None:
        if self.runBox.view is not None:
            self.history.seen(self.runBox.view, self.runBox.chart.lastLoss())
            self._offerModel(self.runBox.view)
        self.update()

    def _offerModel(self, view) -> None:
        """A job that ends while it is followed leaves a model to start from."""
        if view.status.state in (QUEUED, RUNNING):
            self._following = view.id
        elif view.status.state == FINISHED and self._following == view.id:
            self._following = ""
            self._refreshModels()

    def _refreshModels(self) -> None:
        self.finetuneBox.refreshModels()
        self.dataBox.sets.refreshModels()

    def _failed(self, error: Exception) -> None:
        self.steps.run.open()
        showError(self.ui.runError, error)
        self.update()

    def _backendChanged(self) -> None:
        transport = self.backend.transport
        if transport is not None and transport is not self._asked:
            self._asked = transport
            transport.send(api.methods(), self.methodBox.setMethods, unlessDisconnected(self._failed))
            self.finetuneBox.refreshModels()
            self.history.refresh()
        self.update()
