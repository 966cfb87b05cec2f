"""The states of inspections on a panel: one runs at a time, its button cancels it, and all say what they wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from MedSSLLib.widgets.errorText import showError
from slicer.i18n import tr as _

from medssl.core.errors import CancelledError

IDLE, RUNNING, CANCELLING, FINISHED, FAILED = "idle", "running", "cancelling", "finished", "failed"
BUSY = (RUNNING, CANCELLING)


@dataclass(frozen=True)
class Action:
    """A button that starts an inspection, and cancels it while it runs."""

    button: Any  # QPushButton
    title: str  # the button's text
    purpose: str  # "To restore: {wishes}"
    toolTip: str  # what it does
    start: Callable  # (onProgress, onFinished, onFailed) -> a run with cancel() and close()
    finished: Callable  # told what came of it
    missing: Callable[[], list[str]]  # what the user still has to do first


class RunStates:
    """Progress, cancel and errors of the actions of one box.

    Attributes: `state`; `action`, the one that runs or ran last.

    Args:
        actions: they share the widgets below.
        progressBar, statusLabel, errorLabel: widgets of the box.
        changed: called when the state changed.
    """

    def __init__(self, actions, progressBar, statusLabel, errorLabel, changed: Callable[[], None]) -> None:
        self.state, self.action, self._run = IDLE, None, None
        self._actions, self._changed = actions, changed
        self._progressBar, self._statusLabel, self._errorLabel = progressBar, statusLabel, errorLabel
        for action in actions:
            action.button.connect("clicked(bool)", lambda _checked, action=action: self.click(action))
        showError(errorLabel, None)

    @property
    def busy(self) -> bool:
        """Whether an action runs or is being cancelled."""
        return self.state in BUSY

    def click(self, action: Action) -> None:
        """Start an action, or ask the running one to stop."""
        if self.busy:
            self.cancel()
            return
        self.action = action
        self._enter(RUNNING)
        self.showProgress(0.0, _("Sending the volume"))
        try:
            run = action.start(self.showProgress, self._onFinished, self._onFailed)
        except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
            self._onFailed(error)
        else:
            self._run = run if self.busy else None

    def cancel(self) -> None:
        """Ask the running action to stop."""
        if self.state == RUNNING:
            self._run.cancel()
            self._enter(CANCELLING)

    def reset(self) -> None:
        """Nobody waits for the result any more: cancel, or forget what came of it."""
        if self.busy:
            self.cancel()
        else:
            self._enter(IDLE)

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        if self._run is not None:
            self._run.close()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with the state."""
        for action in self._actions:
            self._updateButton(action, action.missing())
        self._progressBar.visible = self.busy
        first = self._actions[0]
        missing = first.missing()
        if self.state == IDLE:
            self._statusLabel.text = first.purpose.format(wishes=", ".join(missing)) + "." if missing else ""

    def showProgress(self, fraction: float, message: str) -> None:
        """Show how far the run is."""
        self._progressBar.value = round(100 * fraction)
        self._statusLabel.text = message or self._statusLabel.text

    def showError(self, error: Exception | None) -> None:
        """Show an error below the buttons, or none."""
        showError(self._errorLabel, error)

    def _updateButton(self, action: Action, missing: list[str]) -> None:
        button, active = action.button, action is self.action
        texts = {RUNNING: _("Cancel"), CANCELLING: _("Cancelling...")}
        button.text = texts.get(self.state, action.title) if active else action.title
        button.enabled = (active and self.state == RUNNING) or (not self.busy and not missing)
        if active and self.state == RUNNING:
            button.toolTip = _("Stop it; nothing is added to the scene")
        elif self.busy:
            button.toolTip = _("Waiting for the backend to stop") if active else _("Wait until the other one has ended")
        else:
            button.toolTip = action.purpose.format(wishes=", ".join(missing)) if missing else action.toolTip

    def _enter(self, state: str) -> None:
        self.state = state
        self.showError(None)
        self._changed()
        self.update()

    def _onFinished(self, result) -> None:
        self._run = None
        self._enter(FINISHED)
        self._statusLabel.text = _("Finished")
        try:
            self.action.finished(result)
        except Exception as error:  # as above: the result is there, but cannot be shown
            self.showError(error)

    def _onFailed(self, error: Exception) -> None:
        self._run = None
        cancelled = isinstance(error, CancelledError)
        self._enter(IDLE if cancelled else FAILED)
        self._statusLabel.text = _("Cancelled") if cancelled else ""
        if not cancelled:
            self.showError(error)
