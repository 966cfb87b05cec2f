"""The section "Compare radiographs": correspondences, click-to-find, parts, patch map and landmark errors."""

from __future__ import annotations

from collections.abc import Callable

from MedSSLLib.widgets.actionBox import Action, unfulfilled
from MedSSLLib.widgets.modelChoice import chosen, makers, methodTitle
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.core.capabilities import PATCHES
from MedSSLInferenceLib.panel.inspectionBox import UI_FOLDER, InspectionBox, withNotes
from MedSSLInferenceLib.panel.sectionFit import fitTabs
from MedSSLInferenceLib.radiographs.findBox import FindBox
from MedSSLInferenceLib.radiographs.landmarkTab import LandmarkTab
from MedSSLInferenceLib.radiographs.radiographForm import RadiographForm
from MedSSLInferenceLib.radiographs.radiographTables import fillCorrespondences
from MedSSLInferenceLib.runs.radiographImages import planesOf
from MedSSLInferenceLib.scene.comparison.partSegmentations import partNames
from MedSSLInferenceLib.scene.comparison.pointLists import highlight
from MedSSLInferenceLib.scene.comparison.radiographGroup import CHART, TABLE, RadiographGroup, findGroup, groups
from MedSSLInferenceLib.scene.tableNodes import rowsOf
from MedSSLInferenceLib.views.radiographLayout import groupViewSteps, isShown


class RadiographBox(InspectionBox):
    """Fills a frame with the section.

    Attributes: `group`, the radiographs that are compared, once a comparison has ended; `form`, `find` and `landmarks`,
    its parts.

    Args:
        frame: an empty widget of the panel with a layout.
        common: logic, models, layoutManager and device, as in InspectionBox.
    """

    NEEDS = (PATCHES,)

    def __init__(self, frame, *common) -> None:
        super().__init__(loadInto(frame, UI_FOLDER / "MedSSLRadiographs.ui", "imagesSelector"), "radiograph", *common)
        ui = self.ui
        self.group = None
        self.form = RadiographForm(ui, self._onChoice)
        self._inputs = self.form.inputs
        self.find = FindBox(ui, self._layoutManager, self._findOptions, self.showError)
        self.landmarks = LandmarkTab(
            ui, self._landmarkOptions, lambda: self._transport, self._missingModel, self.update
        )
        ui.radiographShowButton.connect("clicked(bool)", lambda _checked: self.show())
        fitTabs(ui.tabs)
        ui.correspondTable.connect("itemSelectionChanged()", self._onRow)
        self._setActions(*self._comparisons(), self.landmarks.action)
        self.sceneReady()

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self.find.transport = transport
        super().setTransport(transport)

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self.form.setParameterNode(parameterNode)
        self.landmarks.setParameterNode(parameterNode)

    def sceneReady(self) -> None:
        """A scene was loaded: its comparisons are alive again."""
        complete = [group for group in groups() if group.complete]
        for group in complete:
            partNames.follow(group)
        if complete and self.group is None:
            self._take(complete[-1])
            self.form.choose(complete[-1].images)
            if isShown(self.group, self._layoutManager()):
                self.find.layoutShown()
        self.update()

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        super().close()
        self.find.close()
        self.form.close()

    def show(self, withMap: bool | None = None) -> None:
        """Show the images side by side, with the patch map where there is one."""
        if self.group is not None and self.group.complete:
            withMap = self.group.get(CHART) is not None if withMap is None else withMap
            steps = groupViewSteps(self.group, self._layoutManager(), self.ui.opacitySlider.value, withMap)
            self._show(steps, lambda _value: self.find.layoutShown())
            self.update()

    def showResult(self, result) -> None:
        """Show a result of a comparison, and take that comparison up again."""
        self.group = None
        self.form.choose(result.group.images)
        self._take(result.group)
        self.show(withMap=result.kind == CHART)

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        if not self._actions:  # the parts are still being built
            return
        super().update()
        button = self.ui.radiographShowButton
        button.enabled = self.group is not None and self.group.complete
        shows, wish = (
            _("A view for each radiograph, with its points, heat map and parts"),
            _("Compare radiographs first"),
        )
        button.toolTip = shows if button.enabled else wish
        self.find.update(self._missing())

    def _forgetResults(self) -> None:
        partNames.clear()
        self._take(None)

    def _comparisons(self) -> list[Action]:
        ui, form = self.ui, self.form
        common = (self._onCompared, self._missing)
        return [
            Action(ui.correspondButton, _("Correspond"), _("To compare: {wishes}"),
                   _("Find places of equal anatomy in all radiographs, and mark them"),
                   self._starter("correspond", lambda: {"count": ui.countSpin.value, "dense": form.dense}), *common),
            Action(ui.cosegmentButton, _("Co-segment"), _("To co-segment: {wishes}"),
                   _("Part all radiographs into the same anatomical parts, as segmentations"),
                   self._starter("cosegment", lambda: {"parts": ui.partsSpin.value, "dense": form.dense}), *common),
            Action(ui.patchmapButton, _("Patch map"), _("To draw the map: {wishes}"),
                   _("Show patches of equal descriptors together in a plot; picking a point shows its place"),
                   self._starter("patchmap", lambda: {"method": chosen(ui.mapCombo), "dense": 1}), *common),
            Action(ui.findButton, _("Find"), _("To find a place: {wishes}"),
                   _("Put a point into a radiograph; wherever it is moved, the others show the same anatomy"),
                   self._starter("similarity", self._findPlace), self._onFound, self._missing),
        ]  # fmt: skip

    def _starter(self, name: str, options: Callable[[], dict]) -> Callable:
        def start(*callbacks):
            return self._ask(name, self.form.images, callbacks, view=self.form.view, **options())

        return start

    def _findPlace(self) -> dict:
        """What the first question about a point needs: it makes the 2D images, and the backend describes them."""
        source = self.find.source
        plane = planesOf(self.form.images, self.form.view)[source]
        point = self.find.pointOf(plane) if plane is not None else None
        return {"source": source, "pointRas": point, "dense": self.form.dense}

    def _missing(self) -> list[str]:
        """What the user still has to do before a comparison can start."""
        return self.form.missing() + self._missingModel()

    def _missingModel(self) -> list[str]:
        """What is missing for any question about a model."""
        methods = _(" or ").join(methodTitle(name) for name in makers(*self.NEEDS))
        return unfulfilled(*self._modelWishes(_("choose a model of {methods}").format(methods=methods)))

    def _landmarkOptions(self) -> dict:
        return {"model": self._models.reference, "device": self._device()}

    def _findOptions(self) -> dict:
        return {**self._landmarkOptions(), "dense": self.form.dense}

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

    def _onCompared(self, result) -> None:
        self.group = None
        self._take(result.group)
        self._showNotes(result)
        names = ", ".join(image.GetName() for image in result.group.images)
        self.step.summarize(_("{names} compared").format(names=names))
        self.show()

    def _onFound(self, result) -> None:
        self._onCompared(result)
        self.find.showResult(result)

    def _showNotes(self, result) -> None:
        ui = self.ui
        ui.radiographStatus.text = withNotes("", result.info) or _("Finished")
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
