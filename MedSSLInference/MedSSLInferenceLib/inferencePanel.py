"""The panel below the backend box: one model, and a section for what each method's models can show."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.errorText import showError
from MedSSLLib.modelChoice import ModelChoice, methodTitle
from slicer.i18n import tr as _

from MedSSLInferenceLib import radiographBox, restoreBox
from MedSSLInferenceLib.radiographBox import RadiographBox
from MedSSLInferenceLib.restoreBox import RestoreBox


class InferencePanel:
    """Keeps model, sections and backend together.

    Attributes: `models`, `restore`, `radiographs`.

    Args:
        ui: widgets of MedSSLInference.ui.
        logic: a MedSSLInferenceLogic.
        backend: a BackendBox.
        layoutManager: function that returns Slicer's layout manager or None.
    """

    def __init__(self, ui, logic, backend, layoutManager: Callable) -> None:
        self.ui, self._logic, self._backend, self._parameterNode = ui, logic, backend, None
        self.restore = self.radiographs = None
        self.models = ModelChoice(ui.modelCombo, ui.weightPath, self._onModel)
        self.restore = RestoreBox(ui, logic, self.models, layoutManager, lambda: backend.device)
        self.radiographs = RadiographBox(ui.radiographFrame, logic, self.models, layoutManager, lambda: backend.device)
        ui.refreshButton.connect("clicked(bool)", lambda _checked: self.refreshModels())
        showError(ui.modelError, None)
        backend.changed.connect(self._onBackend)
        self._onBackend()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._parameterNode = None
        if parameterNode is not None and parameterNode.model:
            self.models.select(parameterNode.model)
        self._parameterNode = parameterNode
        self.restore.setParameterNode(parameterNode)
        self.radiographs.setParameterNode(parameterNode)
        self._onModel()

    def forgetScene(self) -> None:
        """The scene is closed."""
        self.restore.forgetScene()
        self.radiographs.forgetScene()

    def close(self) -> None:
        """The panel goes away."""
        self._backend.changed.disconnect(self._onBackend)
        self.restore.close()
        self.radiographs.close()

    def refreshModels(self) -> None:
        """Ask the backend for its models."""
        if self._backend.transport is not None:
            self._logic.listModels(self._backend.transport, self._onModels, self._showError)

    def _onModels(self, models) -> None:
        self._showError(None)
        self.models.setModels(models)

    def _onBackend(self) -> None:
        transport = self._backend.transport
        self.ui.refreshButton.enabled = transport is not None
        self.restore.setTransport(transport)
        self.radiographs.setTransport(transport)
        self.refreshModels()

    def _onModel(self) -> None:
        if self.radiographs is None:
            return
        if self._parameterNode is not None:
            self._parameterNode.model = self.models.reference
        sections = (
            (self.ui.restoreSection, restoreBox.METHOD),
            (self.radiographs.ui.radiographSection, radiographBox.METHOD),
        )
        for section, method in sections:
            self._setSection(section, method)
        self.restore.update()
        self.radiographs.update()

    def _setSection(self, section, method: str) -> None:
        """A section that the chosen model cannot serve is closed and says why."""
        fits = self.models.fits(method)
        section.enabled = fits
        title = methodTitle(method)
        section.toolTip = (
            "" if fits else _("The chosen model is of {other}; this needs one of {method}").format(
                other=methodTitle(self.models.method), method=title)
        )  # fmt: skip
        if self.models.method:
            section.collapsed = not fits

    def _showError(self, error: Exception | None) -> None:
        showError(self.ui.modelError, error)
