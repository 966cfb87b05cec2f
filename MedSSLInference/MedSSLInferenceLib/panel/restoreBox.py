"""The restore box: starts a restoration, follows it, shows its end."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.scene.volumeExport import isFlat
from slicer.i18n import tr as _

from medssl.core.errors import InputError
from MedSSLInferenceLib.panel.metricsTable import fillTableWidget
from MedSSLInferenceLib.panel.restoreForm import RestoreForm
from MedSSLInferenceLib.panel.runStates import Action, RunStates
from MedSSLInferenceLib.scene.restorationNodes import IMAGES
from MedSSLInferenceLib.views.restorationLayout import showFourUp

METHOD = "genesis"


class RestoreBox:
    """The states of a restoration on the widgets of MedSSLInference.ui.

    Args:
        ui: the child widgets.
        logic: a MedSSLInferenceLogic.
        models: the panel's ModelChoice.
        layoutManager: function that returns Slicer's layout manager or None.
        device: function that returns the name of the device to use.
    """

    def __init__(self, ui, logic, models, layoutManager: Callable, device: Callable[[], str] = lambda: "auto") -> None:
        self.ui, self.logic, self.layoutManager, self.device = ui, logic, layoutManager, device
        self.restoration = self._transport = None
        self._models, self._form = models, RestoreForm(ui, self.update)
        action = Action(
            ui.applyButton, _("Restore"), _("To restore: {wishes}"),
            _("Distort the volume, restore it with the model, and show both beside the original"),
            self._start, self._onFinished, self._missing,
        )  # fmt: skip
        self._states = RunStates(
            [action],
            ui.progressBar,
            ui.statusLabel,
            ui.errorLabel,
            lambda: self._form.setEnabled(not self._states.busy),
        )
        ui.showButton.connect("clicked(bool)", lambda _checked: self.onShow())
        ui.resultSection.visible = False
        self.update()

    @property
    def state(self) -> str:
        """One of runStates' names."""
        return self._states.state

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self._transport = transport
        self.update()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._form.setParameterNode(parameterNode)

    def forgetScene(self) -> None:
        """The scene is closed: its nodes are gone, and nobody waits for the result of a run."""
        self.restoration = None
        self.ui.resultSection.visible = False
        self._states.reset()

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        self._states.close()

    def onShow(self) -> None:
        """Show the four views: at the end of a run, and after the user has looked at something else."""
        gone = [name for name in IMAGES if getattr(self.restoration, name).GetScene() is None]
        if gone:
            error = InputError(gone[0], _("was removed from the scene"), _("Restore the volume again"))
            self._states.showError(error)
        else:
            showFourUp(self.restoration, self.layoutManager())

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        self._states.update()

    def _start(self, onProgress, onFinished, onFailed):
        return self.logic.startRestore(
            self._form.volumeNode, transport=self._transport, onProgress=onProgress, onFinished=onFinished,
            onFailed=onFailed, device=self.device(), model=self._models.reference, **self._form.options(),
        )  # fmt: skip

    def _missing(self) -> list[str]:
        """What the user still has to do before a restoration can start."""
        wishes = [
            (self._form.volumeNode is not None and not isFlat(self._form.volumeNode), _("load a CT or MR volume")),
            (self._transport is not None, _("start the backend")),
            (bool(self._models.reference), _("choose a model or a weight file")),
            (self._models.fits(METHOD), _("choose a Models Genesis model")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _onFinished(self, restoration) -> None:
        self.restoration = restoration
        self.ui.resultLabel.text = _("{name}, compared with the original:").format(name=restoration.folderName)
        fillTableWidget(self.ui.metricsTable, restoration.table)
        self.ui.resultSection.visible = True
        self.onShow()
