"""All jobs of the backend, whoever started them: they outlive the panel, Slicer and the server."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import elideMiddle, fitTable, softLabel
from MedSSLLib.widgets.jobTexts import nameOf, stateTitles, whenText
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.tables import fitHeight, prepareTable
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.home import home_folder
from medssl.core.protocol import QUEUED, RESUMABLE_STATES, RUNNING, JobView
from MedSSLPretrainLib.panel.jobCard import cardText, cardTip
from MedSSLPretrainLib.panel.runBox import REPORT

REFRESH_MS = 3000
NAME, STATE, PROGRESS, WHEN = range(4)
SHOWN = 7  # rows; more scroll
LONGEST = 80  # characters of a name in the table; the whole one stands in its tooltip
TAIL = 30  # events in which the last loss of a job is looked for


class JobHistory:
    """The widgets of the section "Jobs".

    Signals: `selected(jobId)`, `resumed(jobId)`; `shown(jobId)`, its curves are wanted; `listed(views)`, the jobs as they
    are now.

    Args:
        ui: widgets of the panel.
        backend: has `transport` and `changed`.
        openUrl: shows a folder in the system's file manager, or a report in the browser.
        confirm: asks a question and returns whether the user agrees.
    """

    def __init__(self, ui, backend, openUrl: Callable | None = None, confirm: Callable | None = None) -> None:
        self.selected, self.resumed, self.shown, self.listed = Signal(), Signal(), Signal(), Signal()
        self.ui, self._backend = ui, backend
        self._openUrl = openUrl or (lambda path: qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(path)))
        self._confirm = confirm or slicer.util.confirmOkCancelDisplay
        self.views: list[JobView] = []
        self._losses: dict[str, tuple[int, float | None]] = {}  # job id -> (number of events asked for, last loss)
        self._verdicts: dict[str, str] = {}  # job id -> its result in a sentence
        self._asking = None
        self._prepareTable()
        for button, slot in (
            (ui.showJobButton, lambda: self.shown.emit(self.current().id)),
            (ui.cancelJobButton, self._cancel), (ui.resumeJobButton, lambda: self.resume(self.current())),
            (ui.deleteJobButton, self._delete), (ui.revealJobButton, self._reveal), (ui.reportJobButton, lambda: self.report(self.current())),
        ):  # fmt: skip
            button.connect("clicked(bool)", lambda _on, slot=slot: slot())
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", self.refresh)
        self._timer.start(REFRESH_MS)
        backend.changed.connect(self.refresh)
        self.update()

    def refresh(self) -> None:
        """Ask the backend for its jobs."""
        transport = self._backend.transport
        if transport is None:
            self.update()
        elif transport is not self._asking:
            self._asking = transport
            transport.send(api.jobs(), self._answered, self._failed)

    def current(self) -> JobView | None:
        """The selected job."""
        rows = enumerate(self.views)
        return next((view for row, view in rows if self.ui.jobsTable.item(row, NAME).isSelected()), None)

    def select(self, jobId: str) -> None:
        """Select a job of the list without emitting `selected`."""
        row = next((n for n, view in enumerate(self.views) if view.id == jobId), -1)
        self.ui.jobsTable.blockSignals(True)
        if row < 0:
            self.ui.jobsTable.clearSelection()
        else:
            self.ui.jobsTable.selectRow(row)
        self.ui.jobsTable.blockSignals(False)
        self.update()

    def add(self, view: JobView) -> None:
        """Show a job just started and select it."""
        self._show([view, *(v for v in self.views if v.id != view.id)])
        self.select(view.id)

    def seen(self, view: JobView, loss: float | None) -> None:
        """A later look at one of the jobs, and its last loss."""
        if loss is not None:
            ended = view.status.state not in (QUEUED, RUNNING)
            self._losses[view.id] = (0 if ended else view.events, loss)  # one that has ended may have a verdict too
        if any(known.id == view.id and known != view for known in self.views):
            self._show([view if known.id == view.id else known for known in self.views])

    def close(self) -> None:
        """Stop asking."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self.refresh)  # a connection left would keep this object for ever
        self._backend.changed.disconnect(self.refresh)

    def update(self) -> None:
        """Enable the buttons that fit the selected job; the others say why not."""
        ui, view = self.ui, self.current()
        self._showCard(view)
        state = view.status.state if view is not None else ""
        down = _("Start the backend first") if self._backend.transport is None else ""
        none = down or ("" if view is not None else _("Select a job in the table"))
        here = self._backend.transport is not None and self._backend.transport.sharesFiles
        running = state in (QUEUED, RUNNING)
        rules = {
            ui.showJobButton: "",
            ui.cancelJobButton: "" if running else _("Only a queued or running job can be cancelled"),
            ui.resumeJobButton: ""
            if state in RESUMABLE_STATES
            else _("Only a cancelled, failed or interrupted job can be resumed"),
            ui.deleteJobButton: _("Cancel the job first") if running else "",
            ui.revealJobButton: "" if here else _("The folder is on another computer"),
            ui.reportJobButton: "" if view is not None and REPORT in view.files else _("This job has left no report"),
        }
        for button, rule in rules.items():
            button.enabled = not none and not rule
            button.toolTip = none or rule

    def _prepareTable(self) -> None:
        table = self.ui.jobsTable
        prepareTable(table, [_("Name"), _("State"), _("Done"), _("When")])
        fitTable(table, NAME)
        fitHeight(table, SHOWN)
        softLabel(self.ui.jobCard)
        table.connect("itemSelectionChanged()", self._selectionChanged)
        table.connect("itemClicked(QTableWidgetItem*)", lambda _item: self._selectionChanged())  # the selected one, too

    def _selectionChanged(self) -> None:
        self.update()
        view = self.current()
        if view is not None:
            self.selected.emit(view.id)

    def _answered(self, views: list[JobView]) -> None:
        self._asking = None
        showError(self.ui.jobsError, None)
        self._show(views)

    def _askLoss(self, view: JobView) -> None:
        """The list says nothing of losses and verdicts; the job's last events do."""

        def answered(answer: dict) -> None:
            if said := [event["text"] for event in answer["events"] if event["type"] == "verdict"]:
                self._verdicts[view.id] = said[-1]
                self.update()
            found = [event for event in answer["events"] if {"validation_loss", "loss"} & event.keys()]
            best = next((e for e in reversed(found) if "validation_loss" in e), found[-1] if found else None)
            if best is not None:
                self._losses[view.id] = (view.events, best.get("validation_loss", best.get("loss")))
                self.update()

        self._losses[view.id] = (view.events, self._losses.get(view.id, (0, None))[1])
        call = api.events(view.id, max(0, view.events - TAIL))
        self._backend.transport.send(call, answered, lambda _error: None)  # it may have been deleted meanwhile

    def _failed(self, error: Exception) -> None:
        self._asking = None
        showError(self.ui.jobsError, error if self._backend.transport is not None else None)  # its box says so
        self.update()

    def _show(self, views: list[JobView]) -> None:
        chosen, before = self.current(), self.views
        table = self.ui.jobsTable
        table.blockSignals(True)
        self.views = views
        table.rowCount = len(views)
        for row, view in enumerate(views):
            if row < len(before) and before[row] == view:  # written already: of hundreds of jobs one or two change
                continue
            for column, text in enumerate(_cells(view)):
                _setCell(table, row, column, text)
                table.item(row, column).setToolTip(f"{nameOf(view)}\n{cardTip(view)}")
        fitHeight(table, SHOWN)
        table.blockSignals(False)
        self.select(chosen.id if chosen is not None else "")
        self.listed.emit(views)

    def _showCard(self, view: JobView | None) -> None:
        card = self.ui.jobCard
        if view is None:
            card.text, card.toolTip = _("Select a job in the table"), ""
            return
        loss = self._losses.get(view.id, (0, None))[1]
        card.text, card.toolTip = cardText(view, loss, self._verdicts.get(view.id, "")), cardTip(view)
        if view.events and self._backend.transport is not None and self._losses.get(view.id, (0,))[0] != view.events:
            self._askLoss(view)

    def _send(self, call, onDone: Callable) -> None:
        self._backend.transport.send(call, onDone, self._failed)

    def _cancel(self) -> None:
        self._send(api.cancel(self.current().id), lambda _view: self.refresh())

    def resume(self, view: JobView) -> None:
        """Let a job go on from its last checkpoint."""
        self._send(api.resume(view.id), lambda again: self.resumed.emit(again.id))

    def _delete(self) -> None:
        view = self.current()
        question = _("Delete the job {name} with its checkpoints and its model?").format(name=view.spec.name or view.id)
        if self._confirm(question):
            self._send(api.remove(view.id), lambda _nothing: self._deleted(view.id))

    def _deleted(self, jobId: str) -> None:
        self._show([view for view in self.views if view.id != jobId])
        self.selected.emit("")

    def _reveal(self) -> None:
        self._openUrl(str(home_folder() / "jobs" / self.current().id))

    def report(self, view: JobView) -> None:
        """Open a job's report; it holds its pictures, so that a copy can be read as well."""
        if self._backend.transport.sharesFiles:
            self._openUrl(str(home_folder() / "jobs" / view.id / REPORT))
        else:
            self._send(api.job_file(view.id, REPORT), lambda data: self._openCopy(view.id, data))

    def _openCopy(self, jobId: str, data: bytes) -> None:
        path = Path(slicer.app.temporaryPath) / f"{jobId}-report.html"
        path.write_bytes(data)
        self._openUrl(str(path))


def _cells(view: JobView) -> tuple[str, ...]:
    status = view.status
    share = f"{math.floor(100 * status.progress)} %" if status.state != QUEUED else ""
    return elideMiddle(nameOf(view), LONGEST), stateTitles()[status.state], share, whenText(status.created)


def _setCell(table, row: int, column: int, text: str) -> None:
    item = table.item(row, column)
    if item is None:
        item = qt.QTableWidgetItem(text)
        table.setItem(row, column, item)
    elif item.text() != text:
        item.setText(text)
