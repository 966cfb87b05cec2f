"""Sections whose button starts a job of the backend, and cancels it while it is followed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from MedSSLLib.steps import StepRunner, Steps, isSending
from MedSSLLib.widgets.actionBox import CANCELLING, IDLE, RUNNING, Action, ActionBox
from MedSSLLib.widgets.fitting import breakable, softLabel
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import CancelledError

UI_FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "UI"


class JobBox(ActionBox):
    """Base class of the sections "Method", "Fine-tune" and "Compare": what runs here is only the sending.

    Signals: `submitted(JobView)`; `cancelled()`, the user wants the followed job to stop.

    Class attribute: `KINDS`, kinds of the jobs that the button starts.

    Args:
        ui, name: as in ActionBox.
        backend: has `transport`, `device` and `changed`.
        running: whether the followed job is of one of some kinds and not at its end.
    """

    KINDS: tuple[str, ...] = ()

    def __init__(self, ui, name: str, backend, running: Callable[..., bool]) -> None:
        super().__init__(ui, name)
        softLabel(self._statusLabel)
        self.submitted, self.cancelled = Signal(), Signal()
        self._backend, self._running, self._cancelTip = backend, running, ""
        backend.changed.connect(self.update)

    def missing(self) -> str:
        """Why nothing can start now, or ""."""
        raise NotImplementedError

    def click(self, action: Action) -> None:
        """Start a job, stop the sending of one, or ask for the end of the followed one."""
        if self._running(*self.KINDS):
            self.cancelled.emit()
        else:
            super().click(action)

    def start(self) -> None:
        """Send what the job needs, and start it."""
        if not self.busy:
            self.click(self._actions[0])

    def cancel(self) -> None:
        """Send nothing more; a job that was asked for already is cancelled as soon as it is known."""
        if self.state == RUNNING:
            self._enter(CANCELLING)

    def forget(self) -> None:
        """Nobody waits any more for what is being sent."""
        if self._run is not None:
            self._run.stop()
            self._run = None
            self._enter(IDLE)

    def close(self) -> None:
        """The panel goes away: nobody asks any more; jobs go on."""
        self.forget()
        self._backend.changed.disconnect(self.update)

    def _setJob(self, button, title: str, toolTip: str, cancelTip: str) -> None:
        """The button, what it is called and does, and what cancelling does."""
        self._cancelTip = cancelTip
        self._setActions(Action(button, title, "{wishes}", toolTip, self._send, self.submitted.emit, self._wishes))

    def _steps(self, sharesFiles: bool) -> Steps:
        """The conversation that starts the job; returns its JobView.

        Args:
            sharesFiles: whether the backend reads this computer's files.
        """
        raise NotImplementedError

    def _send(self, onProgress, onFinished, onFailed) -> StepRunner:
        transport = self._backend.transport
        steps = self._unlessCancelled(self._steps(transport.sharesFiles))
        return StepRunner(steps, transport, onFinished, onFailed, self._isCancelling, _isPreparing, onProgress).start()

    def _unlessCancelled(self, steps: Steps) -> Steps:
        """The conversation; a job that was asked for before the user cancelled is cancelled when it comes."""
        view = yield from steps
        if self._isCancelling():
            yield api.cancel(view.id)
            raise CancelledError()
        return view

    def _isCancelling(self) -> bool:
        return self.state == CANCELLING

    def _wishes(self) -> list[str]:
        missing = self.missing()
        return [missing] if missing else []

    def _updateButton(self, action: Action, wishes: list[str]) -> None:
        super()._updateButton(action, wishes)
        if self._running(*self.KINDS):
            action.button.text, action.button.toolTip = _("Cancel"), self._cancelTip
            action.button.enabled = self._backend.transport is not None
        elif self.state == RUNNING:
            action.button.text, action.button.toolTip = _("Cancel sending"), _("Stop sending; no job is started")

    def _updateStatus(self, wishes: list[str]) -> None:
        if not self.busy:  # else the label says how far the sending is
            self._statusLabel.text = "" if self._running(*self.KINDS) else breakable(", ".join(wishes))
        self._statusLabel.visible = bool(self._statusLabel.text)

    def showProgress(self, fraction: float, message: str) -> None:
        """Show how far the sending is."""
        super().showProgress(fraction, message)
        self._statusLabel.visible = bool(self._statusLabel.text)

    def _runFinished(self, view) -> None:
        super()._runFinished(view)
        self.state = IDLE
        self.update()


def _isPreparing(call) -> bool:
    """Whether a call brings an image, or asks for the job: before both of them there is none."""
    return isSending(call) or (call.method, call.path) == ("POST", "/jobs")
