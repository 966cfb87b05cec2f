"""Sections whose button starts a job of the backend, and cancels it while it is followed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from MedSSLLib.steps import StepRunner, Steps
from MedSSLLib.widgets.actionBox import IDLE, Action, ActionBox
from MedSSLLib.widgets.fitting import breakable, softLabel
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

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
        """Start a job, or ask for the end of the followed one."""
        if self._running(*self.KINDS):
            self.cancelled.emit()
        elif not self.busy:  # while it is being sent there is nothing to cancel
            super().click(action)

    def start(self) -> None:
        """Send what the job needs, and start it."""
        self.click(self._actions[0])

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

    def _send(self, _onProgress, onFinished, onFailed) -> StepRunner:
        transport = self._backend.transport
        return StepRunner(self._steps(transport.sharesFiles), transport, onFinished, onFailed).start()

    def _wishes(self) -> list[str]:
        missing = self.missing()
        return [missing] if missing else []

    def _updateButton(self, action: Action, wishes: list[str]) -> None:
        super()._updateButton(action, wishes)
        if self._running(*self.KINDS):
            action.button.text, action.button.toolTip = _("Cancel"), self._cancelTip
            action.button.enabled = self._backend.transport is not None
        elif self.busy:
            action.button.text, action.button.enabled, action.button.toolTip = _("Sending..."), False, ""

    def _updateStatus(self, wishes: list[str]) -> None:
        self._statusLabel.text = "" if self.busy or self._running(*self.KINDS) else breakable(", ".join(wishes))
        self._statusLabel.visible = bool(self._statusLabel.text)

    def _runFinished(self, view) -> None:
        super()._runFinished(view)
        self.state = IDLE
        self.update()
