"""The strip of running jobs below the backend box of both panels: whatever runs is seen, and can be stopped, from either."""

from __future__ import annotations

from collections.abc import Callable, Collection

import qt
import slicer
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.protocol import QUEUED, RUNNING, JobView
from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import showName, softLabel
from MedSSLLib.widgets.jobTexts import kindTitles, nameOf, progressText

REFRESH_MS = 3000
MOST = 3  # jobs that have a row; of more their number is said
NAME = 30  # characters


class RunningJobs:
    """Fills a frame with a row for each job that waits or runs; the frame is hidden while none does.

    Args:
        frame: an empty widget of the panel with a layout.
        backend: has `transport` and `changed`.
        show: shows a job by its id; left out: in the module MedSSL Pretrain.
        ask: asks the backend for its jobs and hands them to `show`; left out: this does, every few seconds.
    """

    def __init__(
        self, frame, backend, show: Callable[[str], None] | None = None, ask: Callable[[], None] | None = None
    ) -> None:
        self._frame, self._backend, self._show = frame, backend, show or self._showInPretrain
        self._ask, self._asking, self._timer = ask or self._askBackend, None, None
        self._stopping: set[str] = set()  # jobs that were asked to stop and have not ended since
        self.rows = [_JobRow(frame, self.cancel, self._show) for _number in range(MOST)]
        self.moreLabel, self.errorLabel = qt.QLabel(), qt.QLabel()
        for label in (self.moreLabel, self.errorLabel):
            softLabel(label)
            frame.layout().addWidget(label)
        showError(self.errorLabel, None)
        backend.changed.connect(self.refresh)
        if ask is None:
            self._timer = qt.QTimer()
            self._timer.connect("timeout()", self.refresh)
            self._timer.start(REFRESH_MS)
        self.show([])

    def refresh(self) -> None:
        """Ask the backend for its jobs."""
        if self._backend.transport is None:
            self.show([])
        else:
            self._ask()

    def show(self, views: list[JobView]) -> None:
        """Show those of these jobs that wait or run."""
        running = [view for view in views if view.status.state in (QUEUED, RUNNING)]
        self._stopping &= {view.id for view in running}
        for number, row in enumerate(self.rows):
            row.show(running[number] if number < len(running) else None, self._stopping)
        more = len(running) - MOST
        self.moreLabel.visible = more > 0
        self.moreLabel.text = counted(more, _("and {count} more job"), _("and {count} more jobs")) if more > 0 else ""
        if not running:
            showError(self.errorLabel, None)
        self._frame.visible = bool(running)

    def cancel(self, jobId: str) -> None:
        """Ask a job to stop."""
        self._setStopping(self._stopping | {jobId})
        call = api.cancel(jobId)
        self._backend.transport.send(call, lambda _view: self.refresh(), lambda error: self._notCancelled(jobId, error))

    def close(self) -> None:
        """Stop asking."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self.refresh)  # a connection left would keep this object for ever
        self._backend.changed.disconnect(self.refresh)

    def _showInPretrain(self, jobId: str) -> None:
        showInPretrain(jobId, self._backend)

    def _askBackend(self) -> None:
        transport = self._backend.transport
        if transport is not self._asking:
            self._asking = transport
            transport.send(api.jobs(), self._answered, self._failed)

    def _answered(self, views: list[JobView]) -> None:
        self._asking = None
        showError(self.errorLabel, None)
        self.show(views)

    def _failed(self, error: Exception) -> None:
        self._asking = None
        showError(self.errorLabel, error)

    def _notCancelled(self, jobId: str, error: Exception) -> None:
        self._setStopping(self._stopping - {jobId})
        showError(self.errorLabel, error)

    def _setStopping(self, jobs: set[str]) -> None:
        self._stopping = jobs
        for row in self.rows:
            row.show(row.view, jobs)


class _JobRow:
    """Name and kind beside two buttons, the progress below."""

    def __init__(self, frame, cancel: Callable[[str], None], show: Callable[[str], None]) -> None:
        self.view: JobView | None = None
        self.widget, self.label, self.bar = qt.QWidget(), qt.QLabel(), qt.QProgressBar()
        self.showButton, self.cancelButton = qt.QPushButton(_("Show")), qt.QPushButton(_("Cancel"))
        grid = qt.QGridLayout(self.widget)
        grid.setContentsMargins(0, 0, 0, 0)
        softLabel(self.label)
        self.bar.maximum = 1000
        self.bar.setMinimumWidth(1)
        self.bar.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)
        grid.addWidget(self.label, 0, 0)
        grid.addWidget(self.showButton, 0, 1)
        grid.addWidget(self.cancelButton, 0, 2)
        grid.addWidget(self.bar, 1, 0, 1, 3)
        grid.setColumnStretch(0, 1)
        self.showButton.toolTip = _("Show its curves and its log")
        self.showButton.connect("clicked(bool)", lambda _on: show(self.view.id))
        self.cancelButton.connect("clicked(bool)", lambda _on: cancel(self.view.id))
        frame.layout().addWidget(self.widget)

    def show(self, view: JobView | None, asked: Collection[str] = ()) -> None:
        """Show a job; None: the row is empty. `asked`: the jobs that were asked to stop."""
        self.view = view
        self.widget.visible = view is not None
        if view is None:
            return
        kind = kindTitles().get(view.spec.kind, view.spec.kind)
        text = _("{name} ({kind})").format(name=nameOf(view), kind=kind) if view.spec.name else nameOf(view)
        showName(self.label, text, NAME + 14)
        self.label.setToolTip(f"{text}\n{view.id}")
        self.bar.value = round(1000 * view.status.progress)
        self.bar.format = progressText(view.status)
        self.bar.toolTip = self.bar.format
        stopping = view.id in asked
        self.cancelButton.enabled = not stopping
        self.cancelButton.toolTip = (
            _("It stops at its next step") if stopping
            else _("Stop at the next step; what was done so far can be resumed")
        )  # fmt: skip


def showInPretrain(jobId: str, backend=None) -> None:
    """Open the module MedSSL Pretrain at a job.

    Args:
        backend: the BackendBox of the module that saw it; None: the backend that is chosen there.
    """
    slicer.util.selectModule("MedSSLPretrain")
    widget = slicer.util.getModuleWidget("MedSSLPretrain")
    if backend is not None:
        widget.backend.useThatOf(backend)
    widget.panel.showJob(jobId)
