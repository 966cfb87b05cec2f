"""Sections whose buttons start something: one runs at a time, its button cancels it, and all say what they wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from medssl.core.errors import CancelledError
from MedSSLLib.widgets.errorText import showError

IDLE, RUNNING, CANCELLING, FINISHED, FAILED = "idle", "running", "cancelling", "finished", "failed"
BUSY = (RUNNING, CANCELLING)


@dataclass(frozen=True)
class Action:
    """A button that starts a run, and cancels it while it runs."""

    button: Any  # QPushButton
    title: str  # the button's text
    purpose: str  # "To restore: {wishes}."
    toolTip: str  # what it does
    start: Callable  # (onProgress, onFinished, onFailed) -> a run with cancel() and stop()
    finished: Callable  # called with the run's result
    missing: Callable[[], list[str]]  # what the user still has to do first


def unfulfilled(*wishes: tuple[Any, str]) -> list[str]:
    """The texts of those wishes whose condition does not hold."""
    return [text for fulfilled, text in wishes if not fulfilled]


class ActionBox:
    """Base class of the sections: buttons, progress, status and errors.

    Attributes: `ui`, the widgets by their names; `section`, the collapsible button; `state`; `action`, the one that runs
    or ran last.

    Args:
        ui: the widgets.
        name: what the names of the section's own widgets begin with: segmentSection, segmentError, and where they exist
            segmentStatus and segmentProgress.
    """

    def __init__(self, ui, name: str) -> None:
        self.ui, self.state, self.action, self._run = ui, IDLE, None, None
        self._turn, self._left = 0, []  # which click is waited for; runs that nobody waits for, until the panel goes
        self._actions: tuple[Action, ...] = ()
        self._inputs: tuple = ()  # widgets that rest while an action runs
        self.section, self._errorLabel = getattr(ui, f"{name}Section"), getattr(ui, f"{name}Error")
        self._statusLabel = getattr(ui, f"{name}Status", None)
        self._progressBar = getattr(ui, f"{name}Progress", None)
        self.showError(None)

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
        self.showProgress(0.0, _("Sending the images"))
        try:
            run = action.start(*map(self._ofTurn, (self.showProgress, self._runFinished, self._runFailed)))
        except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
            self._runFailed(error)
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

    def leave(self) -> None:
        """Nobody waits for the result any more: the backend is asked to stop, and what it still answers is dropped."""
        if self.state == RUNNING:
            self._run.cancel()
        self._left += [self._run] * (self._run is not None)
        self._run, self._turn = None, self._turn + 1
        self._enter(IDLE)

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        for run in (*self._left, self._run):
            if run is not None:
                run.stop()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices, backend and state."""
        missing = [action.missing() for action in self._actions]
        for action, wishes in zip(self._actions, missing):
            self._updateButton(action, wishes)
        if self._progressBar is not None:
            self._progressBar.visible = self.busy
        if missing and self._statusLabel is not None:
            self._updateStatus(missing[0])

    def showProgress(self, fraction: float, message: str) -> None:
        """Show how far the run is."""
        if self._progressBar is not None:
            self._progressBar.value = round(100 * fraction)
        if message and self._statusLabel is not None:
            self._statusLabel.text = message

    def showError(self, error: Exception | None) -> None:
        """Show an error below the buttons, or none."""
        showError(self._errorLabel, error)

    def _ofTurn(self, callback: Callable) -> Callable:
        """The callback for as long as nobody leaves what is begun now."""
        turn = self._turn
        return lambda *what: callback(*what) if turn == self._turn else None

    def _setActions(self, *actions: Action) -> None:
        """The buttons; the first one's wishes stand in the status line."""
        self._actions = actions
        for action in actions:
            action.button.connect("clicked(bool)", lambda _checked, action=action: self.click(action))
        self.update()

    def _updateButton(self, action: Action, wishes: list[str]) -> None:
        button, active = action.button, action is self.action
        texts = {RUNNING: _("Cancel"), CANCELLING: _("Cancelling...")}
        title = self._title(action)
        button.text = texts.get(self.state, title) if active else title
        button.enabled = (active and self.state == RUNNING) or (not self.busy and not wishes)
        if active and self.state == RUNNING:
            button.toolTip = _("Stop it; nothing is added to the scene")
        elif self.busy:
            button.toolTip = _("Waiting for the backend to stop") if active else _("Wait until the other one has ended")
        else:
            button.toolTip = action.purpose.format(wishes=", ".join(wishes)) if wishes else action.toolTip

    def _title(self, action: Action) -> str:
        """What the button is called while nothing runs."""
        return action.title

    def _updateStatus(self, wishes: list[str]) -> None:
        if self.state == IDLE:
            text = self._actions[0].purpose.format(wishes=", ".join(wishes)) + "." if wishes else self._advice()
            self._statusLabel.text = text

    def _advice(self) -> str:
        """What the user should know before the first action, which can start; nothing here."""
        return ""

    def _enter(self, state: str) -> None:
        self.state = state
        self.showError(None)
        for widget in self._inputs:
            widget.enabled = not self.busy
        self.update()

    def _runFinished(self, result) -> None:
        self._run = None
        self._enter(FINISHED)
        self._setStatus(_("Finished"))
        try:
            self.action.finished(result)
        except Exception as error:  # as above: the result is there, but cannot be shown
            self.showError(error)

    def _runFailed(self, error: Exception) -> None:
        self._run = None
        cancelled = isinstance(error, CancelledError)
        self._enter(IDLE if cancelled else FAILED)
        self._setStatus(_("Cancelled") if cancelled else "")
        if not cancelled:
            self.showError(error)

    def _setStatus(self, text: str) -> None:
        if self._statusLabel is not None:
            self._statusLabel.text = text
