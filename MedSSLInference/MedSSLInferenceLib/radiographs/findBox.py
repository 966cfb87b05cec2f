"""The tab "Find": the user's point, heat maps over the other images, and their best places."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from MedSSLInferenceLib.radiographs.liveSearch import LiveSearch
from MedSSLInferenceLib.radiographs.patchMapLinks import PatchMapLinks
from MedSSLInferenceLib.radiographs.radiographTables import fillMatches, pixelText
from MedSSLInferenceLib.scene.comparison.patchMapNodes import patchAt, select
from MedSSLInferenceLib.scene.comparison.pointLists import findPoint, movePoint
from MedSSLInferenceLib.scene.comparison.radiographGroup import FIND, RadiographGroup, groups
from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld
from MedSSLInferenceLib.scene.results import revealKind
from MedSSLInferenceLib.views.radiographLayout import setOpacity, showResults


def fillImages(combo, images) -> None:
    """Offer images by their names; the choice stays where it can."""
    before = max(0, combo.currentIndex)
    wasBlocked = combo.blockSignals(True)
    combo.clear()
    for image in images:
        combo.addItem(image.GetName())
    combo.setCurrentIndex(before if before < len(images) else 0)
    combo.blockSignals(wasBlocked)


class FindBox:
    """Follows the points of a group while they move.

    Args:
        ui: widgets of MedSSLRadiographs.ui.
        layoutManager: function that returns Slicer's layout manager or None.
        options: function that returns model, dense, device, search_radius and refine.
        onFailed: called with what went wrong, or None when it goes well again.
    """

    def __init__(self, ui, layoutManager: Callable, options: Callable[[], dict], onFailed: Callable) -> None:
        self._ui, self._layoutManager, self._onFailed = ui, layoutManager, onFailed
        self._group = None
        self._search = LiveSearch(options, self._onMoved, self._onFound, onFailed)
        self._links = PatchMapLinks(self._onPicked)
        ui.placeButton.connect("clicked(bool)", lambda _checked: self.place())
        ui.opacitySlider.connect("valueChanged(double)", lambda _value: self._onOpacity())

    @property
    def transport(self):
        """Asynchronous; None while the backend is down."""
        return self._search.transport

    @transport.setter
    def transport(self, transport) -> None:
        self._search.stop()
        self._search.transport = transport

    @property
    def source(self) -> int:
        """Number of the image that the user wants the point in."""
        return max(0, self._ui.sourceCombo.currentIndex)

    @property
    def busy(self) -> bool:
        """Whether a question is under way."""
        return self._search.busy

    def setImages(self, images) -> None:
        """Offer these images for the point."""
        fillImages(self._ui.sourceCombo, images)

    def setGroup(self, group: RadiographGroup | None) -> None:
        """Follow the points of this group; None: of none."""
        self._group = group
        self._search.follow(group)
        if group is None:
            fillMatches(self._ui.findTable, [], -1)
            self._ui.findLabel.text = ""

    def layoutShown(self) -> None:
        """The views show the group now."""
        self._links.follow(self._group, self._layoutManager())

    def pointOf(self, image):
        """Where the user's point of a 2D image is, in the world; None where there is none yet."""
        for group in groups():
            if image in group.images:
                node = group.get(FIND, group.images.index(image))
                if node is not None and node.GetNumberOfDefinedControlPoints():
                    return node.GetNthControlPointPositionWorld(0)
        return None

    def place(self) -> None:
        """Let the user click into a view; the point of the chosen image goes there."""
        node = findPoint(self._group, self.source)
        self._follow()
        self._reveal()
        node.RemoveAllControlPoints()
        slicer.modules.markups.logic().SetActiveList(node)
        slicer.modules.markups.logic().StartPlaceMode(False)

    def showResult(self, similarity) -> None:
        """The answer to a question that the user asked with the button."""
        self._follow()
        self._onFound(self.source, similarity)

    def update(self, missing: list[str]) -> None:
        """What can be used now."""
        button = self._ui.placeButton
        button.enabled = self._group is not None and not missing
        button.toolTip = (
            _("Click into the radiograph's view to put the point there") if button.enabled
            else _("To place a point: {wishes}").format(wishes=", ".join(missing or [_("press Find first")]))
        )  # fmt: skip

    def close(self) -> None:
        """The panel goes away."""
        self._search.follow(None)
        self._links.close()

    def _reveal(self) -> None:
        """Show the point with its maps, and hide the other results of these images."""
        revealKind(self._group, FIND)
        showResults(self._group, self._layoutManager(), self._ui.opacitySlider.value)

    def _follow(self) -> None:
        self._search.follow(self._group)

    def _onMoved(self, number: int, pixel) -> None:
        self._ui.sourceCombo.setCurrentIndex(number)
        select(self._group, patchAt(self._group, number, pixel))

    def _onFound(self, number: int, similarity) -> None:
        self._onFailed(None)
        fillMatches(self._ui.findTable, similarity.table, number, similarity.info.get("untrained", ()))
        name = self._group.images[number].GetName()
        source = next((row for row in similarity.table if row["image"] == number), None)
        where = pixelText(source["x"], source["y"]) if source is not None else ""
        self._ui.findLabel.text = _("Point in {image} near {where}. Drag it, and the maps follow.").format(
            image=name, where=where
        )
        showResults(self._group, self._layoutManager(), self._ui.opacitySlider.value)

    def _onPicked(self, row) -> None:
        """A patch was picked in the plot: the point goes there, and the search follows it."""
        number = row["image"]
        image = self._group.images[number]
        movePoint(self._group, number, pixelsToWorld(image, [(row["x"], row["y"])])[0])
        self._follow()
        self._reveal()
        select(self._group, row)
        self._search.moved(number)

    def _onOpacity(self) -> None:
        if self._group is not None:
            setOpacity(self._group, self._layoutManager(), self._ui.opacitySlider.value)
