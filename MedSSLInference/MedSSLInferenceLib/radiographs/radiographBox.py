"""The box "Compare radiographs": correspondences, click-to-find, parts and patch map on the widgets of MedSSLRadiographs.ui."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from MedSSLLib.widgets.modelChoice import chosen
from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.runStates import Action, RunStates
from MedSSLInferenceLib.radiographs.findBox import FindBox
from MedSSLInferenceLib.radiographs.landmarkTab import LandmarkTab
from MedSSLInferenceLib.radiographs.radiographForm import RadiographForm
from MedSSLInferenceLib.radiographs.radiographTables import fillCorrespondences
from MedSSLInferenceLib.runs.radiographImages import planesOf
from MedSSLInferenceLib.scene.partSegmentations import partNames
from MedSSLInferenceLib.scene.pointLists import highlight
from MedSSLInferenceLib.scene.radiographGroup import CHART, TABLE, RadiographGroup, findGroup, groups
from MedSSLInferenceLib.scene.tableNodes import rowsOf
from MedSSLInferenceLib.views.radiographLayout import registerLayouts, showGroup

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLRadiographs.ui"
METHOD = "peac"


class RadiographBox:
    """Fills a frame with the box.

    Attributes: `group`, the radiographs that are compared, once a comparison has ended.

    Args:
        frame: an empty widget of the panel with a layout.
        logic: a MedSSLInferenceLogic.
        models: the panel's ModelChoice.
        layoutManager: function that returns Slicer's layout manager or None.
        device: function that returns the name of the device to use.
    """

    def __init__(
        self, frame, logic, models, layoutManager: Callable, device: Callable[[], str] = lambda: "auto"
    ) -> None:
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        for widget in (self.widget, ui.imagesSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self._logic, self._models, self._layoutManager, self._device = logic, models, layoutManager, device
        self.group = self._transport = self._states = None
        self.form = RadiographForm(ui, self._onChoice)
        self.find = FindBox(ui, layoutManager, self._findOptions, self._showError)
        self.landmarks = LandmarkTab(
            ui, lambda: {"model": models.reference, "device": device()}, lambda: self._transport, self._missingModel,
            self.update,
        )  # fmt: skip
        self._states = RunStates(
            [*self._actions(), self.landmarks.action],
            ui.radiographProgress,
            ui.radiographStatus,
            ui.radiographError,
            self._onState,
        )
        ui.radiographShowButton.connect("clicked(bool)", lambda _checked: self.show())
        ui.correspondTable.connect("itemSelectionChanged()", self._onRow)
        registerLayouts(layoutManager())
        self.sceneReady()

    @property
    def state(self) -> str:
        """One of runStates' names."""
        return self._states.state

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self._transport = self.find.transport = transport
        self.update()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self.form.setParameterNode(parameterNode)
        self.landmarks.setParameterNode(parameterNode)

    def forgetScene(self) -> None:
        """The scene is closed: its nodes are gone, and nobody waits for the result of a run."""
        partNames.clear()
        self._take(None)
        self._states.reset()

    def sceneImporting(self) -> None:
        """A scene is about to be loaded, perhaps one that was saved in our layout."""
        registerLayouts(self._layoutManager())

    def sceneReady(self) -> None:
        """A scene was loaded: its comparisons are alive again."""
        complete = [group for group in groups() if group.complete]
        for group in complete:
            partNames.follow(group)
        if complete and self.group is None:
            self._take(complete[-1])
            self.form.choose(complete[-1].images)
            if self.group.node.GetAttribute("MedSSL.shown"):
                self.show()
        self.update()

    def close(self) -> None:
        """The panel goes away."""
        self._states.close()
        self.find.close()

    def show(self, withMap: bool | None = None) -> None:
        """Show the images side by side, with the patch map where there is one."""
        if self.group is not None and self.group.complete:
            withMap = self.group.get(CHART) is not None if withMap is None else withMap
            self.group.node.SetAttribute("MedSSL.shown", "1")
            showGroup(self.group, self._layoutManager(), self.ui.opacitySlider.value, withMap)
            self.find.layoutShown()
            self.update()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        if self._states is None:
            return
        ui = self.ui
        self._states.update()
        ready = self.group is not None and self.group.complete
        ui.radiographShowButton.enabled = ready
        ui.radiographShowButton.toolTip = (
            _("A view for each radiograph, with its points, heat map and parts")
            if ready
            else _("Compare radiographs first")
        )
        self.find.update(self._missing())

    def _actions(self) -> list[Action]:
        ui = self.ui
        return [
            Action(ui.correspondButton, _("Correspond"), _("To compare: {wishes}"),
                   _("Find places of equal anatomy in all radiographs, and mark them"),
                   self._starter("correspond", lambda: {"count": ui.countSpin.value, "dense": self.form.dense}), self._onFinished, self._missing),
            Action(ui.cosegmentButton, _("Co-segment"), _("To co-segment: {wishes}"),
                   _("Part all radiographs into the same anatomical parts, as segmentations"),
                   self._starter("cosegment", lambda: {"parts": ui.partsSpin.value, "dense": self.form.dense}), self._onFinished, self._missing),
            Action(ui.patchmapButton, _("Patch map"), _("To draw the map: {wishes}"),
                   _("Show patches of equal descriptors together in a plot; picking a point shows its place"),
                   self._starter("patchmap", lambda: {"method": chosen(ui.mapCombo), "dense": 1}), self._onFinished, self._missing),
            Action(ui.findButton, _("Find"), _("To find a place: {wishes}"),
                   _("Put a point into a radiograph; wherever it is moved, the others show the same anatomy"),
                   self._startFind, self._onFound, self._missing),
        ]  # fmt: skip

    def _starter(self, name: str, options: Callable[[], dict]) -> Callable:
        def start(onProgress, onFinished, onFailed):
            run = self._logic.run(
                name, self.form.images, self._models.reference, view=self.form.view, device=self._device(),
                onProgress=onProgress, **options(),
            )  # fmt: skip
            return run.start(self._transport, onFinished, onFailed)

        return start

    def _startFind(self, onProgress, onFinished, onFailed):
        """The first question about a point: it makes the 2D images, and the backend describes them."""
        source = self.find.source
        images = self.form.images
        planes = planesOf(images, self.form.view)
        point = self.find.pointOf(planes[source]) if planes[source] is not None else None
        run = self._logic.run(
            "similarity", images, self._models.reference, source=source, pointRas=point, view=self.form.view,
            dense=self.form.dense, device=self._device(), onProgress=onProgress,
        )  # fmt: skip
        return run.start(self._transport, onFinished, onFailed)

    def _missing(self) -> list[str]:
        """What the user still has to do before a comparison can start."""
        return self.form.missing() + self._missingModel()

    def _missingModel(self) -> list[str]:
        """What is missing for any question about a model."""
        wishes = [] if self._transport is not None else [_("start the backend")]
        wishes += [] if self._models.reference else [_("choose a model or a weight file")]
        wishes += [] if self._models.fits(METHOD) else [_("choose a PEAC model")]
        return wishes

    def _findOptions(self) -> dict:
        return {"model": self._models.reference, "dense": self.form.dense, "device": self._device()}

    def _onChoice(self) -> None:
        """Other images: their comparison, if there is one in the scene, is shown in the tables."""
        planes = planesOf(self.form.images, self.form.view)
        self._take(findGroup(planes) if len(planes) > 1 and None not in planes else None)
        self.find.setImages(self.form.images)
        self.update()

    def _take(self, group: RadiographGroup | None) -> None:
        if group is not None and group == self.group:
            return
        self.group = group
        self.find.setGroup(group)
        rows = rowsOf(group.get(TABLE)) if group is not None and group.get(TABLE) is not None else []
        fillCorrespondences(self.ui.correspondTable, rows)

    def _onState(self) -> None:
        self.form.setEnabled(not self._states.busy)

    def _onFinished(self, result) -> None:
        self.group = None
        self._take(result.group)
        self._showNotes(result)
        self.show()

    def _onFound(self, result) -> None:
        self._onFinished(result)
        self.find.showResult(result)

    def _showNotes(self, result) -> None:
        ui, notes = self.ui, " ".join(f"{note}." for note in result.info.get("notes", ()))
        ui.radiographStatus.text = notes or _("Finished")
        if hasattr(result, "segmentations"):
            ui.cosegmentLabel.text = _(
                "{count} parts; rename a segment in one image, and it is renamed in all."
            ).format(count=len(result.table))
        elif hasattr(result, "chart"):
            ui.patchmapLabel.text = _(
                "Colour: place in the image; marker: image. Draw a rectangle around points to see where the first one is; "
                "move the point of the tab Find, and its patch is marked."
            )

    def _onRow(self) -> None:
        items = self.ui.correspondTable.selectedItems()
        if self.group is not None and self.group.complete:
            row = items[0].row() if items else None
            highlight(self.group, self.ui.correspondTable.item(row, 0).text() if row is not None else "")

    def _showError(self, error: Exception | None) -> None:
        if self._states is not None:
            self._states.showError(error)
