"""The followed job: progress, ETA, loss chart and log, as its events arrive."""

from __future__ import annotations

import html
from typing import Any

import slicer
from MedSSLLib.steps import Pause, StepRunner
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import breakable, fitCombo, softLabel
from MedSSLLib.widgets.jobTexts import nameOf, progressText, stateTitles
from MedSSLLib.widgets.modelChoice import chosen
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from medssl.client import api
from medssl.client.polling import follow_job
from medssl.core.errors import MedSSLError, NotFoundError, ResourceError, from_dict
from medssl.core.protocol import FAILED, INTERRUPTED, QUEUED, RESUMABLE_STATES, RUNNING, JobView
from MedSSLPretrainLib.runs.eventText import eventText
from MedSSLPretrainLib.views.lossChart import WHOLE, LossChart
from MedSSLPretrainLib.views.setCurves import familyTitles

REPORT = "results/report.html"
AGAIN_S = 5.0  # after a look that failed
LOG_TAIL = 8000  # characters of log.txt shown after a failure


class RunBox:
    """The widgets of the section "Progress".

    Signals: `changed()` at every look at the job; `resumeWanted(JobView)`, `reportWanted(JobView)`.

    Attributes: `view`, the JobView last seen (None: no job).
    """

    def __init__(self, ui, backend, pollSeconds: float) -> None:
        self.changed, self.resumeWanted, self.reportWanted = Signal(), Signal(), Signal()
        self.ui, self._backend, self._poll = ui, backend, pollSeconds
        self.view: JobView | None = None
        self._jobId, self._next, self._runner, self._transport = "", 0, None, None
        self._where = ""  # the backend at which the job was seen
        self.chart = None
        self._plotView = None
        ui.runSection.connect("contentsCollapsed(bool)", lambda collapsed: None if collapsed else self._showChart())
        softLabel(ui.jobLabel)
        fitCombo(ui.curvesCombo)
        ui.curvesCombo.connect("activated(int)", lambda _index: self.chart.show(chosen(ui.curvesCombo)))
        ui.resumeRunButton.connect("clicked(bool)", lambda _on: self.resumeWanted.emit(self.view))
        ui.reportRunButton.connect("clicked(bool)", lambda _on: self.reportWanted.emit(self.view))
        self._buildChart()
        backend.changed.connect(self._backendChanged)
        self.update()

    @property
    def active(self) -> bool:
        """Whether the followed job waits or runs."""
        return self.view is not None and self.view.status.state in (QUEUED, RUNNING)

    def sceneClosing(self) -> None:
        """The chart's nodes go, also its view's, which would outlive the scene: no event may reach them."""
        self._stop()
        self.chart.remove()

    def sceneClosed(self) -> None:
        """The followed job is not of the scene: its curve comes back, read once more."""
        self._buildChart()
        self._readAgain()

    def shows(self, jobId: str) -> bool:
        """Whether this job is followed, or was to its end."""
        return jobId == self._jobId and (self._runner is not None or (self.view is not None and not self.active))

    def follow(self, jobId: str) -> None:
        """Show a job from its first event on; "" shows none."""
        self._stop()
        self._jobId, self.view = jobId, None
        self.chart.clear()
        self.update()
        self._readAgain()

    def _readAgain(self) -> None:
        self._next = 0
        self._offerCurves()
        self.ui.logEdit.clear()
        self.followOn()

    def _buildChart(self) -> None:
        """Make the chart's nodes in the scene."""
        self.chart = LossChart()
        if self._plotView is not None:
            self.chart.attach(self._plotView)
        self._offerCurves()

    def _showChart(self) -> None:
        """Make the view when the section is opened for the first time: it takes a while, and a panel opens without it."""
        if self._plotView is None:
            self._plotView = slicer.qMRMLPlotView()  # Slicer's .ui loader does not know this class
            self.ui.lossPlot.layout().addWidget(self._plotView)
            self.chart.attach(self._plotView)

    def followOn(self) -> None:
        """Go on reading: after a resume, or when the backend is back."""
        self._stop()
        self._transport = self._backend.transport
        if not self._jobId or self._transport is None:
            return
        steps = follow_job(api, self._jobId, self._poll, self._events, self._seen, self._next)
        self._runner = StepRunner(steps, self._transport, self._ended, self._failed).start()

    def close(self) -> None:
        """Stop asking, and take the chart out of the scene."""
        self._backend.changed.disconnect(self._backendChanged)
        self._stop()
        self.chart.remove()

    def summary(self) -> str:
        """The followed job in a few words."""
        if self.view is None:
            return ""
        status = self.view.status
        course = f", {progressText(status)}" if self.active else ""
        return f"{nameOf(self.view)}: {stateTitles()[status.state]}{course}"

    def update(self) -> None:
        """Bring every widget up to date."""
        ui, view = self.ui, self.view
        up = self._backend.transport is not None
        ui.resumeRunButton.visible = up and view is not None and view.status.state in RESUMABLE_STATES
        ui.reportRunButton.visible = up and view is not None and REPORT in view.files
        if view is None:
            ui.jobLabel.text = _("No job yet") if not self._jobId else self._jobId
            ui.progressBar.maximum, ui.progressBar.value, ui.progressBar.format = 100, 0, "%p%"
            showError(ui.runError, None)
            return
        status = view.status
        name = html.escape(breakable(nameOf(view)))
        ui.jobLabel.text = f"<b>{name}</b>: {stateTitles()[status.state]}{html.escape(self._detail(status))}"
        ui.progressBar.maximum, ui.progressBar.value = 1000, round(1000 * status.progress)
        ui.progressBar.format = progressText(status) if status.state == RUNNING and status.steps else "%p%"
        error = from_dict(status.error) if status.state == FAILED and status.error else None
        if status.state == INTERRUPTED:
            error = ResourceError(
                _("job"),
                _("was interrupted: its process is gone"),
                _("Resume it; nothing before its last checkpoint is lost"),
            )
        showError(ui.runError, error)

    def _detail(self, status) -> str:
        if status.state == QUEUED:
            return _(", waits for the device")
        return f", {status.message}" if status.message and status.state == RUNNING else ""

    def _seen(self, view: JobView) -> None:
        self.view, self._where = view, self._transport.address.url
        self.update()
        self.changed.emit()

    def _events(self, events: list[dict[str, Any]]) -> None:
        self._next = events[-1]["n"] + 1
        self.chart.addEvents(events)
        self._offerCurves()
        lines = [line for line in map(eventText, events) if line]
        if lines:
            self.ui.logEdit.appendPlainText("\n".join(lines))

    def _offerCurves(self) -> None:
        """A choice of curves, where there is one."""
        combo, families = self.ui.curvesCombo, self.chart.families
        combo.visible = len(families) > 1
        if families != [combo.itemData(row) for row in range(combo.count)]:
            titles = {WHOLE: _("Whole training"), **familyTitles()}
            combo.clear()
            for family in families:
                combo.addItem(titles[family], family)
        combo.setCurrentIndex(combo.findData(self.chart.family))

    def _ended(self, view: JobView) -> None:
        self._runner = None
        self._seen(view)
        if view.status.state == FAILED and "log.txt" in view.files:
            self._transport.send(api.job_file(view.id, "log.txt"), self._showLog, lambda _error: None)

    def _showLog(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")[-LOG_TAIL:].strip()
        if text:
            self.ui.logEdit.appendPlainText(text)

    def _failed(self, error: Exception) -> None:
        """One look that fails ends nothing, unless there is no such job any more; another backend knows nothing of it."""
        self._runner = None
        if isinstance(error, NotFoundError):
            here = self._where in ("", self._transport.address.url)
            self._jobId, self.view = "" if here else self._jobId, None
            self.update()
        elif isinstance(error, MedSSLError):
            self._runner = StepRunner(_pause(), None, lambda _none: self.followOn(), self._failed).start()
        showError(self.ui.runError, error)
        self.changed.emit()

    def _backendChanged(self) -> None:
        if self._backend.transport is not self._transport:
            self.followOn()

    def _stop(self) -> None:
        if self._runner is not None:
            self._runner.stop()
            self._runner = None


def _pause():
    yield Pause(AGAIN_S)
