"""How the backend would train the chosen volumes, asked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.steps import Question, Steps
from MedSSLLib.widgets.fitting import breakable
from slicer.i18n import tr as _


class PlanView:
    """A button that asks for the plan, and the label that shows it until another choice is made.

    Args:
        button, label: of the section.
        backend: has `transport`.
        steps: (whether the backend reads this computer's files, stopped, onProgress) -> the conversation; it returns the rows
            (what, which).
        missing: why nothing can be asked now, or "".
        showError: shows an error of the section, or None.
    """

    def __init__(
        self, button, label, backend, steps: Callable[..., Steps], missing: Callable[[], str], showError
    ) -> None:
        self._button, self._label, self._backend = button, label, backend
        self._steps, self._missing, self._showError = steps, missing, showError
        self._run: Question | None = None
        button.connect("clicked(bool)", lambda _on: self.ask())
        self._show("")

    @property
    def asking(self) -> bool:
        """Whether an answer is waited for."""
        return self._run is not None

    def ask(self) -> None:
        """Ask, or stop the backend, which is looking for the answer."""
        if self.asking:
            self.forget()
            return
        self._showError(None)
        transport = self._backend.transport
        self._show(_("Reading the images..."))
        self._run = Question(
            lambda stopped, onProgress: self._steps(transport.sharesFiles, stopped, onProgress),
            transport, self._answered, self._failed, self._showProgress,
        )  # fmt: skip
        self._run.start()
        self.update()

    def forget(self) -> None:
        """Another choice: what was answered is not of it, and nobody waits any more."""
        if self._run is not None:
            self._run.leave()
            self._run = None
        self._show("")
        self.update()

    def close(self) -> None:
        """The panel goes away: nobody asks any more."""
        if self._run is not None:
            self._run.stop()

    def update(self) -> None:
        """Bring the button up to date."""
        missing = "" if self.asking else self._missing()
        self._button.text = _("Stop") if self.asking else _("Plan")
        self._button.enabled = not missing
        purpose = _("How it would be trained: crop, stages, width and batch, from the images and the device")
        self._button.toolTip = missing or purpose

    def _answered(self, rows: list[tuple[str, str]]) -> None:
        self._run = None
        self._show("\n".join(f"{what}: {which}" for what, which in rows))
        self.update()

    def _failed(self, error: Exception) -> None:
        self._run = None
        self._show("")
        self._showError(error)
        self.update()

    def _showProgress(self, fraction: float, message: str) -> None:
        text = message or _("Reading the images...")
        self._show(_("{text} ({percent:.0f} %)").format(text=text, percent=100 * fraction))

    def _show(self, text: str) -> None:
        self._label.text, self._label.visible = breakable(text), bool(text)
