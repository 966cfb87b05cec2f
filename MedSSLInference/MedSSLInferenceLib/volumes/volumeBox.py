"""The section "Find in another volume": a point of one CT or MR, and the same anatomy in another, while the point moves."""

from __future__ import annotations

import slicer
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.actionBox import Action, unfulfilled
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.core.capabilities import VOXELS
from MedSSLInferenceLib.panel.inspectionBox import UI_FOLDER, InspectionBox, withNotes
from MedSSLInferenceLib.scene.comparison.placeNodes import POINTS, TABLE, Places, placesOf, showHeat, showMatches
from MedSSLInferenceLib.scene.results import reveal
from MedSSLInferenceLib.scene.tableNodes import rowsOf
from MedSSLInferenceLib.views.placesLayout import goTo, placesViewSteps, setOpacity, showHeatOver
from MedSSLInferenceLib.volumes.movedPoint import MovedPoint
from MedSSLInferenceLib.volumes.placesTable import fillPlaces


class VolumeBox(InspectionBox):
    """Fills a frame with the section.

    Attributes: `places`, the points of the chosen volumes once they were searched; `search`, which follows them.

    Args:
        frame: an empty widget of the panel with a layout.
        common: logic, models, layoutManager and device, as in InspectionBox.
    """

    NEEDS = (VOXELS,)

    def __init__(self, frame, *common) -> None:
        selectors = ("placesSelector", "searchedSelector")
        super().__init__(loadInto(frame, UI_FOLDER / "MedSSLVolumes.ui", *selectors), "volumes", *common)
        ui = self.ui
        self.places: Places | None = None
        self.search = MovedPoint(self._liveOptions, self._onMoved, self.showError)
        self._inputs = (
            ui.placesSelector,
            ui.searchedSelector,
            ui.placesRadiusSlider,
            ui.placesRadiusSpin,
            ui.placesControlCheck,
            ui.placesCountSpin,
        )
        for selector in (ui.placesSelector, ui.searchedSelector):
            selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self._onVolumes())
        ui.placesRadiusSpin.specialValueText = _("everywhere")
        ui.placesRadiusSlider.connect("valueChanged(int)", lambda value: ui.placesRadiusSpin.setValue(value))
        ui.placesRadiusSpin.connect("valueChanged(int)", lambda value: ui.placesRadiusSlider.setValue(value))
        ui.placesRadiusSpin.connect("valueChanged(int)", lambda _value: self._onSetting())
        ui.placesControlCheck.connect("toggled(bool)", lambda _checked: self._onSetting())
        ui.placesOpacitySlider.connect("valueChanged(double)", lambda _value: self._onOpacity())
        ui.addPlaceButton.connect("clicked(bool)", lambda _checked: self.place())
        ui.placesShowButton.connect("clicked(bool)", lambda _checked: self.show())
        ui.placesTable.connect("itemSelectionChanged()", self._onRow)
        self._forgetResults()
        self._setActions(
            Action(
                ui.findPlacesButton, _("Find"), _("To find a place: {wishes}"),
                _("Put a point into the first volume; wherever it is moved, the other shows the same anatomy"),
                lambda *callbacks: self._start(callbacks), self._onFound, self._missing,
            ),
            Action(
                ui.sharedPlacesButton, _("Correspond"), _("To find places: {wishes}"),
                _("Choose places that both volumes share, instead of the points that are there"),
                lambda *callbacks: self._start(callbacks, shared=ui.placesCountSpin.value), self._onFound, self._missing,
            ),
        )  # fmt: skip

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self.search.stop()
        self.search.transport = transport
        super().setTransport(transport)

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        if not self._actions:  # still being built
            return
        super().update()
        ui, missing = self.ui, self._missing()
        there = self.places is not None and self.places.complete
        ui.placesShowButton.enabled = there
        ui.placesShowButton.toolTip = (
            _("Both volumes in three planes, at the chosen point") if there else _("Press Find first")
        )
        ui.addPlaceButton.enabled = there and not missing
        ui.addPlaceButton.toolTip = (
            _("Click into a view of the first volume to put a further point there") if ui.addPlaceButton.enabled
            else _("To place a point: {wishes}").format(wishes=", ".join(missing or [_("press Find first")]))
        )  # fmt: skip

    def place(self) -> None:
        """Let the user click into a view of the first volume; a further point goes there."""
        reveal(self.places.result)
        slicer.modules.markups.logic().SetActiveList(self.places.points)
        slicer.modules.markups.logic().StartPlaceMode(False)

    def show(self) -> None:
        """Show both volumes, at the point that moved last."""
        if self.places is not None and self.places.complete:
            self._show(
                placesViewSteps(
                    self.places, self._layoutManager(), self.ui.placesOpacitySlider.value, self.search.latest
                )
            )
            self.update()

    def showResult(self, result) -> None:
        """Show places of the scene, and take their search up again."""
        self.ui.placesSelector.setCurrentNode(result.images[0])
        self.ui.searchedSelector.setCurrentNode(result.images[1])
        self._take(Places(result.node(POINTS)))
        self.show()

    def close(self) -> None:
        """The panel goes away: nobody asks any more."""
        super().close()
        self.search.follow(None)

    def _forgetResults(self) -> None:
        self._take(None)

    def _take(self, places: Places | None) -> None:
        self.places = places
        self.search.follow(places)
        table = places.get(TABLE) if places is not None else None
        fillPlaces(self.ui.placesTable, rowsOf(table) if table is not None else [])
        self.ui.placesLabel.text = (
            _("Drag a point of {first}, and the match in {second} follows.").format(
                first=places.source.GetName(), second=places.target.GetName()
            )
            if places is not None and places.complete
            else ""
        )
        self.ui.placesLabel.visible = bool(self.ui.placesLabel.text)

    def _volumes(self) -> list:
        return [self.ui.placesSelector.currentNode(), self.ui.searchedSelector.currentNode()]

    def _missing(self) -> list[str]:
        first, second = self._volumes()
        return unfulfilled(
            (
                None not in (first, second) and not isFlat(first) and not isFlat(second),
                _("choose two CT or MR volumes"),
            ),
            (first is None or first is not second, _("choose another volume to search")),
            *self._modelWishes(_("choose a model that finds places in volumes")),
        )

    def _options(self) -> dict:
        ui = self.ui
        return {"search_radius": float(ui.placesRadiusSpin.value), "compare_untrained": ui.placesControlCheck.checked}

    def _liveOptions(self) -> dict:
        return {"model": self._models.reference, "device": self._device(), **self._options()}

    def _start(self, callbacks, **options):
        return self._ask("findPlaces", self._volumes(), callbacks, **self._options(), **options)

    def _onVolumes(self) -> None:
        """Other volumes: their points, if there are any in the scene, are taken up."""
        first, second = self._volumes()
        known = placesOf(first, second) if None not in (first, second) else None
        if known != self.places:
            self._take(known)
        self._chose()

    def _onSetting(self) -> None:
        """A setting of the search: the points that are there are looked for again."""
        if not self.busy:
            self.search.ask()

    def _onFound(self, found) -> None:
        self._take(found.places)
        ui = self.ui
        names = dict(first=found.places.source.GetName(), second=found.places.target.GetName())
        ui.volumesStatus.text = withNotes("", found.info) or _("Finished")
        self.step.summarize(_("Places of {first} in {second}").format(**names))
        self.show()

    def _onMoved(self, positions, rows, data: bytes) -> None:
        """The answer for points that moved; without points there is nothing to show."""
        self.showError(None)
        showMatches(self.places, rows, self._models.reference)
        showHeat(self.places, data)
        showHeatOver(self.places)
        fillPlaces(self.ui.placesTable, rows)
        if positions:
            goTo(self.places, self._layoutManager(), self.search.latest)

    def _onRow(self) -> None:
        """A point is chosen in the table: the views go there, and its map is shown."""
        items = self.ui.placesTable.selectedItems()
        if items and self.places is not None and self.places.complete:
            self.search.latest = items[0].row()
            goTo(self.places, self._layoutManager(), self.search.latest)
            self.search.ask()

    def _onOpacity(self) -> None:
        if self.places is not None:
            setOpacity(self.places, self._layoutManager(), self.ui.placesOpacitySlider.value)
