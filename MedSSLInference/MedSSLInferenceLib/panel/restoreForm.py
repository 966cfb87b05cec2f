"""What the user chooses in the restore box: volume, region, distortion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.widgets.modelChoice import chosen, fillCombo
from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.overlayViews import bindRegion, isBound
from MedSSLInferenceLib.scene.regionOfInterest import hasExtent, placeInMiddle


def distortionTitles() -> dict[str, str]:
    """Distortions by the name that a RestoreRequest uses."""
    return {
        "random": _("Random, as in training"),
        "none": _("None"),
        "shuffle": _("Local shuffling"),
        "bezier": _("Intensity curve"),
        "inpaint": _("In-painting"),
        "outpaint": _("Out-painting"),
    }


def fidelityTitles() -> dict[str, str]:
    """Fidelities by the name that a RestoreRequest uses."""
    return {"": _("As the weight file says"), "paper": _("Paper"), "released": _("Released")}


class RestoreForm:
    """The widgets that make a request; `changed()` is called whenever one of the required choices changes."""

    def __init__(self, ui, changed: Callable[[], None]) -> None:
        self._ui, self._changed, self._parameterNode = ui, changed, None
        for combo, titles in ((ui.distortionCombo, distortionTitles()), (ui.fidelityCombo, fidelityTitles())):
            fillCombo(combo, titles)
            combo.connect("currentIndexChanged(int)", lambda _index: self._onChoice())
        ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self._onVolume())
        ui.roiSelector.connect("nodeAddedByUser(vtkMRMLNode*)", self._onNewRegion)

    @property
    def volumeNode(self):
        """The chosen vtkMRMLScalarVolumeNode, or None."""
        return self._ui.inputSelector.currentNode()

    def options(self) -> dict[str, Any]:
        """Everything else, as `MedSSLInferenceLogic.restore` takes it."""
        ui = self._ui
        return dict(
            roi=ui.roiSelector.currentNode(),
            distortion=chosen(ui.distortionCombo),
            strength=ui.strengthSlider.value,
            seed=ui.seedSpin.value,
            overlap=ui.overlapSlider.value,
            fidelity=chosen(ui.fidelityCombo),
        )

    @property
    def inputs(self) -> tuple:
        """The widgets, which rest while a restoration runs."""
        ui = self._ui
        return (
            ui.inputSelector, ui.roiSelector, ui.distortionCombo, ui.strengthSlider, ui.seedSpin, ui.overlapSlider,
            ui.fidelityCombo,
        )  # fmt: skip

    def setParameterNode(self, parameterNode) -> None:
        """Take the choices of a scene's parameter node and keep them there from now on; None: keep them nowhere."""
        self._parameterNode = None
        if parameterNode is not None:
            for combo, value in (
                (self._ui.distortionCombo, parameterNode.distortion),
                (self._ui.fidelityCombo, parameterNode.fidelity),
            ):
                combo.setCurrentIndex(max(0, combo.findData(value)))
        self._parameterNode = parameterNode
        self._keep()

    def _onVolume(self) -> None:
        roi = self._ui.roiSelector.currentNode()
        if roi is not None and isBound(roi):
            self._onRegion(roi)
        self._changed()

    def _onNewRegion(self, roi) -> None:
        """The selector adds regions without a place or a size."""
        if self.volumeNode is not None and self.volumeNode.GetImageData() is not None and not hasExtent(roi):
            placeInMiddle(roi, self.volumeNode)
        self._onRegion(roi)

    def _onRegion(self, roi) -> None:
        """A region that was drawn here belongs to the chosen volume: it is drawn over that one alone."""
        if self.volumeNode is not None:
            bindRegion(roi, self.volumeNode)

    def _onChoice(self) -> None:
        self._keep()
        self._changed()

    def _keep(self) -> None:
        node = self._parameterNode
        if node is not None:
            node.distortion = chosen(self._ui.distortionCombo)
            node.fidelity = chosen(self._ui.fidelityCombo)
