"""The panel below the backend box: one model, and a section for what each method's models can show."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from MedSSLLib.backend.qtTransport import unlessDisconnected
from MedSSLLib.scene.madeNodes import hideFrom, isMap
from MedSSLLib.scene.sceneWatch import SceneWatch
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import breakable, readableBoxes, softLabel
from MedSSLLib.widgets.keyboard import orderByParts
from MedSSLLib.widgets.modelChoice import ModelChoice, makers, methodTitle
from MedSSLLib.widgets.runningJobs import RunningJobs
from MedSSLLib.widgets.step import Step
from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.predictBox import PredictBox
from MedSSLInferenceLib.panel.restoreBox import RestoreBox
from MedSSLInferenceLib.panel.resultsBox import ResultsBox
from MedSSLInferenceLib.panel.resultViews import ResultViews
from MedSSLInferenceLib.panel.retrieveBox import RetrieveBox
from MedSSLInferenceLib.panel.segmentBox import SegmentBox
from MedSSLInferenceLib.radiographs.radiographBox import RadiographBox
from MedSSLInferenceLib.volumes.volumeBox import VolumeBox


class InferencePanel:
    """Keeps model, sections and backend together.

    Attributes: `models`, `restore`, `radiographs`, `volumes`, `segment`, `predict`, `retrieve`, `results`; `running`, the strip of running jobs.

    Args:
        ui: widgets of MedSSLInference.ui.
        logic: a MedSSLInferenceLogic.
        backend: a BackendBox.
        layoutManager: function that returns Slicer's layout manager or None.
        openEditor: opens a segmentation for the user to correct, see SegmentBox.
    """

    def __init__(self, ui, logic, backend, layoutManager: Callable, openEditor: Callable) -> None:
        self.ui, self._logic, self._backend, self._parameterNode = ui, logic, backend, None
        self._boxes: tuple = ()
        self._folded = ""  # the model that the sections were last unfolded or folded for
        self.models = ModelChoice(ui.modelCombo, ui.weightPath, self._onModel)
        common = (logic, self.models, layoutManager, lambda: backend.device)
        self.restore = RestoreBox(ui, *common)
        self.radiographs = RadiographBox(ui.radiographFrame, *common)
        self.volumes = VolumeBox(ui.volumesFrame, *common)
        self.segment = SegmentBox(ui.segmentFrame, *common, openEditor=openEditor)
        self.predict = PredictBox(ui.predictFrame, *common)
        self.retrieve = RetrieveBox(ui.retrieveFrame, *common)
        self._boxes = (self.restore, self.radiographs, self.volumes, self.segment, self.predict, self.retrieve)
        for box in self._boxes[1:]:  # one thing at a time: the others open with a model that is made for them
            box.section.collapsed = True
        self.running = RunningJobs(ui.runningFrame, backend)
        views = ResultViews(self.restore, self.radiographs, self.volumes, self.predict, self.retrieve, layoutManager)
        self.results = ResultsBox(ui.resultsFrame, views.show, self._modelNames, slicer.util.confirmYesNoDisplay)
        self._modelStep = Step(ui.modelSection)
        orderByParts(ui.modelSection.parentWidget())
        readableBoxes(ui.modelSection.parentWidget())
        self.models.used.connect(self._modelStep.done)
        softLabel(ui.modelCard)
        softLabel(ui.modelError)
        ui.refreshButton.connect("clicked(bool)", lambda _checked: self.refreshModels())
        showError(ui.modelError, None)
        backend.changed.connect(self._onBackend)
        self._onBackend()
        self._watch = SceneWatch(self._offerImages)
        self._offerImages()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._parameterNode = None
        if parameterNode is not None and parameterNode.model:
            self.models.select(parameterNode.model)
        self._parameterNode = parameterNode
        for box in self._boxes:
            box.setParameterNode(parameterNode)
        self._onModel()

    def forgetScene(self) -> None:
        """The scene is closed."""
        for box in (*self._boxes, self.results):
            box.forgetScene()

    def close(self) -> None:
        """The panel goes away."""
        self._backend.changed.disconnect(self._onBackend)
        self._watch.close()
        for box in (self.running, *self._boxes, self.results):
            box.close()

    def refreshModels(self) -> None:
        """Ask the backend for its models."""
        if self._backend.transport is not None:
            self._logic.listModels(self._backend.transport, self._onModels, unlessDisconnected(self._showError))

    def _offerImages(self) -> None:
        """What was drawn over an image is no image to ask about."""
        maps = [node for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode") if isMap(node)]
        for selector in (
            self.ui.inputSelector, self.radiographs.ui.imagesSelector, self.volumes.ui.placesSelector, self.volumes.ui.searchedSelector,
            self.segment.ui.segmentSelector, self.predict.ui.predictSelector, self.retrieve.ui.retrieveSelector,
        ):  # fmt: skip
            hideFrom(selector, maps)

    def _onModels(self, models) -> None:
        self._showError(None)
        self.models.setModels(models)

    def _onBackend(self) -> None:
        transport = self._backend.transport
        self.ui.refreshButton.enabled = transport is not None
        self.ui.refreshButton.toolTip = (
            _("Ask the backend again which models there are") if transport is not None else _("Start the backend first")
        )
        for box in self._boxes:
            box.setTransport(transport)
        self.refreshModels()

    def _onModel(self) -> None:
        if not self._boxes:  # still being built
            return
        if self._parameterNode is not None:
            self._parameterNode.model = self.models.reference
        card, title = self.models.card, self.models.title
        self.ui.modelCard.text = breakable(card)
        self.ui.modelCard.visible = bool(card)
        self._modelStep.summarize(title or _("No model chosen"))
        model = self.models.reference if self.models.method else ""
        isOther, self._folded = model != self._folded, model
        for box in self._boxes:
            self._setSection(box, isOther)
            box.update()

    def _modelNames(self) -> dict[str, str]:
        return {model["model"]: model["name"] for model in self.models.models}

    def _setSection(self, box, isOther: bool) -> None:
        """A section that the chosen model cannot serve is closed and says why; one that another model than before can serve opens."""
        section, fits = box.section, self.models.can(*box.NEEDS)
        section.enabled = fits
        wanted = _(" or ").join(methodTitle(name) for name in makers(*box.NEEDS))
        rule = _("The chosen model is of {other}; this needs one of {method}")
        section.toolTip = "" if fits else rule.format(other=methodTitle(self.models.method), method=wanted)
        if isOther and self.models.method and (box.OPENS or not fits):
            section.collapsed = not fits

    def _showError(self, error: Exception | None) -> None:
        showError(self.ui.modelError, error)
