"""The tab "Landmarks": how far from known landmarks the model finds them in other patients."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.widgets.actionBox import Action, unfulfilled
from MedSSLLib.widgets.fitting import breakable
from slicer.i18n import tr as _

from MedSSLInferenceLib.radiographs.radiographTables import fillLandmarks
from MedSSLInferenceLib.runs.landmarkRun import LandmarkErrors, catalogueLandmarksRun


class LandmarkTab:
    """The widgets of the tab; `action` is its button.

    Args:
        ui: widgets of MedSSLRadiographs.ui.
        options: function that returns model, device, search_radius and refine.
        transport: function that returns the asynchronous transport, or None.
        missing: what is missing for any question about a model.
        changed: called when a path changed.
    """

    def __init__(self, ui, options: Callable, transport: Callable, missing: Callable, changed: Callable) -> None:
        self._ui, self._options, self._transport, self._missing = ui, options, transport, missing
        self._parameterNode, self._changed = None, changed
        for edit in (ui.landmarkImages, ui.landmarkTable):
            edit.connect("currentPathChanged(QString)", lambda _path: self._onChoice())
        ui.landmarkGroups.connect("textChanged(QString)", lambda _text: self._onChoice())
        self.action = Action(
            ui.landmarksButton, _("Landmark error"), _("To measure: {wishes}"),
            _("Look for every landmark of every patient in all others, beside the untrained network and unmoved coordinates"),
            self._start, self._onFinished, self.missing,
        )  # fmt: skip

    def missing(self) -> list[str]:
        """What the user still has to choose."""
        ui = self._ui
        own = unfulfilled(
            (ui.landmarkImages.currentPath.strip(), _("choose a table of images")),
            (ui.landmarkTable.currentPath.strip(), _("choose a table of landmarks")),
        )
        return own + self._missing()

    def setParameterNode(self, parameterNode) -> None:
        """Take the choices of a scene's parameter node and keep them there from now on; None: keep them nowhere."""
        self._parameterNode = None
        if parameterNode is not None:
            ui = self._ui
            ui.landmarkImages.currentPath = parameterNode.landmarkImages
            ui.landmarkTable.currentPath = parameterNode.landmarkTable
            ui.landmarkGroups.text = parameterNode.landmarkGroups
        self._parameterNode = parameterNode

    def _onChoice(self) -> None:
        node, ui = self._parameterNode, self._ui
        if node is not None:
            node.landmarkImages, node.landmarkTable = ui.landmarkImages.currentPath, ui.landmarkTable.currentPath
            node.landmarkGroups = ui.landmarkGroups.text
        self._changed()

    def _start(self, onProgress, onFinished, onFailed):
        ui, options = self._ui, self._options()
        groups = tuple(part.strip() for part in ui.landmarkGroups.text.split(",") if part.strip())
        run = catalogueLandmarksRun(
            ui.landmarkImages.currentPath.strip(), ui.landmarkTable.currentPath.strip(), options.pop("model"),
            groups=groups, onProgress=onProgress, **options,
        )  # fmt: skip
        return run.start(self._transport(), onFinished, onFailed)

    def _onFinished(self, result: LandmarkErrors) -> None:
        fillLandmarks(self._ui.landmarksTable, result.table, result.info.get("unit", ""))
        verdicts = [verdict["text"] for verdict in result.info.get("verdicts", ())]
        self._ui.radiographStatus.text = breakable(" ".join(verdicts)) or _("Finished")
