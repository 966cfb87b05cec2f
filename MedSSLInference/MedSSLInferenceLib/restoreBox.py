"""The restore box: starts a restoration, follows it, shows its end."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.errorText import showError
from slicer.i18n import tr as _

from medssl.errors import CancelledError, InputError
from MedSSLInferenceLib.metricsTable import fillTableWidget
from MedSSLInferenceLib.restorationLayout import showFourUp
from MedSSLInferenceLib.restorationNodes import IMAGES
from MedSSLInferenceLib.restoreForm import RestoreForm

IDLE, RUNNING, CANCELLING, FINISHED, FAILED = "idle", "running", "cancelling", "finished", "failed"
BUSY = (RUNNING, CANCELLING)


class RestoreBox:
    """The states of a restoration on the widgets of MedSSLInference.ui.

    Args:
        ui: the child widgets.
        logic: a MedSSLInferenceLogic.
        layoutManager: function that returns Slicer's layout manager or None.
        device: function that returns the name of the device to use.
    """

    def __init__(self, ui, logic, layoutManager: Callable, device: Callable[[], str] = lambda: "auto") -> None:
        self.ui, self.logic, self.layoutManager, self.device = ui, logic, layoutManager, device
        self.state, self.restoration = IDLE, None
        self._run = self._transport = None
        self._form = None  # choices made while the form is built say nothing yet
        self._form = RestoreForm(ui, self.update)
        ui.applyButton.connect("clicked(bool)", lambda _checked: self.onApply())
        ui.refreshButton.connect("clicked(bool)", lambda _checked: self.refreshModels())
        ui.showButton.connect("clicked(bool)", lambda _checked: self.onShow())
        showError(ui.errorLabel, None)
        ui.resultSection.visible = False
        self.update()

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self._transport = transport
        self.refreshModels()
        self.update()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._form.setParameterNode(parameterNode)

    def forgetScene(self) -> None:
        """The scene is closed: its nodes are gone, and nobody waits for the result of a run."""
        self.restoration = None
        self.ui.resultSection.visible = False
        if self.state == RUNNING:
            self.onApply()
        elif self.state != CANCELLING:
            self._enter(IDLE)

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        if self._run is not None:
            self._run.close()

    def refreshModels(self) -> None:
        """Ask the backend for its models."""
        if self._transport is not None:
            self.logic.listModels(self._transport, self._form.models.setModels, self._showError)

    def onApply(self) -> None:
        """Start, or ask a running restoration to stop."""
        if self.state == RUNNING:
            self._run.cancel()
            self._enter(CANCELLING)
            return
        self._enter(RUNNING)
        self._showProgress(0.0, _("Sending the volume"))
        try:
            self._run = self.logic.startRestore(
                self._form.volumeNode,
                transport=self._transport,
                onProgress=self._showProgress,
                onFinished=self._onFinished,
                onFailed=self._onFailed,
                device=self.device(),
                **self._form.options(),
            )
        except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
            self._onFailed(error)

    def onShow(self) -> None:
        """Show the four views: at the end of a run, and after the user has looked at something else."""
        gone = [name for name in IMAGES if getattr(self.restoration, name).GetScene() is None]
        if gone:
            self._showError(InputError(gone[0], _("was removed from the scene"), _("Restore the volume again")))
        else:
            showFourUp(self.restoration, self.layoutManager())

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with the state."""
        if self._form is None:
            return
        ui, missing = self.ui, self._missing()
        ui.applyButton.text = {RUNNING: _("Cancel"), CANCELLING: _("Cancelling...")}.get(self.state, _("Restore"))
        ui.applyButton.enabled = self.state == RUNNING or (self.state != CANCELLING and not missing)
        ui.applyButton.toolTip = self._applyToolTip(missing)
        self._form.setEnabled(self.state not in BUSY)
        ui.refreshButton.enabled = self._transport is not None
        ui.progressBar.visible = self.state in BUSY
        if self.state == IDLE:
            ui.statusLabel.text = _("To restore: {wishes}.").format(wishes=", ".join(missing)) if missing else ""

    def _missing(self) -> list[str]:
        """What the user still has to do before a restoration can start."""
        wishes = [
            (self._form.volumeNode is not None, _("load a CT or MR volume")),
            (self._transport is not None, _("start the backend")),
            (bool(self._form.models.reference), _("choose a model or a weight file")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _applyToolTip(self, missing: list[str]) -> str:
        if self.state == RUNNING:
            return _("Stop this restoration; nothing is added to the scene")
        if self.state == CANCELLING:
            return _("Waiting for the backend to stop")
        if missing:
            return _("To restore: {wishes}").format(wishes=", ".join(missing))
        return _("Distort the volume, restore it with the model, and show both beside the original")

    def _enter(self, state: str) -> None:
        self.state = state
        showError(self.ui.errorLabel, None)
        self.update()

    def _showProgress(self, fraction: float, message: str) -> None:
        self.ui.progressBar.value = round(100 * fraction)
        self.ui.statusLabel.text = message or self.ui.statusLabel.text

    def _onFinished(self, restoration) -> None:
        self._run, self.restoration = None, restoration
        self._enter(FINISHED)
        self.ui.statusLabel.text = _("Finished")
        self.ui.resultLabel.text = _("{name}, compared with the original:").format(name=restoration.folderName)
        fillTableWidget(self.ui.metricsTable, restoration.table)
        self.ui.resultSection.visible = True
        self.onShow()

    def _onFailed(self, error: Exception) -> None:
        self._run = None
        cancelled = isinstance(error, CancelledError)
        self._enter(IDLE if cancelled else FAILED)
        self.ui.statusLabel.text = _("Cancelled") if cancelled else ""
        if not cancelled:
            self._showError(error)

    def _showError(self, error: Exception) -> None:
        showError(self.ui.errorLabel, error)
