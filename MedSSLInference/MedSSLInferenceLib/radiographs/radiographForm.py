"""What the user chooses in the radiograph box: images, views of 3D volumes, density, numbers."""

from __future__ import annotations

from collections.abc import Callable

import qt
from MedSSLLib.scene.tickedNodes import TickedNodes
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.modelChoice import chosen, fillCombo
from slicer.i18n import tr as _

from MedSSLInferenceLib.runs.radiographImages import viewTitles


def denseTitles() -> dict[int, str]:
    """Descriptors along a side of a patch."""
    return {1: _("1 (a descriptor per patch)"), 2: _("2 (half a patch)"), 4: _("4 (finest, slow)")}


def mapTitles() -> dict[str, str]:
    """Methods of a PatchmapRequest."""
    return {"tsne": _("t-SNE"), "pca": _("PCA"), "umap": _("UMAP (where installed)")}


class RadiographForm:
    """The widgets of MedSSLRadiographs.ui that make requests.

    Args:
        ui: its widgets.
        changed: called whenever a choice changes.
    """

    def __init__(self, ui, changed: Callable[[], None]) -> None:
        self._ui, self._changed, self._parameterNode = ui, changed, None
        self._taking = False
        self._combos = ((ui.viewCombo, viewTitles()), (ui.denseCombo, denseTitles()), (ui.mapCombo, mapTitles()))
        for combo, titles in self._combos:
            fillCombo(combo, titles)
            combo.connect("currentIndexChanged(int)", lambda _index: self._onChoice())
        ui.partsSpin.specialValueText = _("automatic")
        ui.radiusSpin.specialValueText = _("everywhere")
        ui.radiusSlider.connect("valueChanged(int)", lambda value: ui.radiusSpin.setValue(value))
        ui.radiusSpin.connect("valueChanged(int)", lambda value: ui.radiusSlider.setValue(value))
        self._ticked = TickedNodes(ui.imagesSelector, self._onChoice)
        ui.imagesSelector.connect("nodeAdded(vtkMRMLNode*)", lambda _node: changed())

    def close(self) -> None:
        """The panel goes away."""
        self._ticked.close()

    @property
    def images(self) -> list:
        """The ticked volume nodes."""
        return list(self._ui.imagesSelector.checkedNodes())

    @property
    def view(self) -> str:
        """What becomes of 3D volumes; "" while the user has not said."""
        return chosen(self._ui.viewCombo)

    @property
    def dense(self) -> int:
        """Descriptors along a side of a patch."""
        return int(chosen(self._ui.denseCombo))

    @property
    def search(self) -> dict:
        """Where matches may lie and how finely they are looked for: fields of requests."""
        return {"search_radius": float(self._ui.radiusSpin.value), "refine": self._ui.refineCheck.checked}

    def missing(self) -> list[str]:
        """What the user still has to choose."""
        flat = [isFlat(node) for node in self.images]
        wishes = []
        if len(flat) < 2:
            loaded = self._ui.imagesSelector.nodeCount()
            wishes.append(_("tick two radiographs or more") if loaded > 1 else _("load two radiographs or more"))
        if not all(flat) and not self.view:
            wishes.append(_("choose what becomes of 3D volumes"))
        return wishes

    def choose(self, images) -> None:
        """Tick these images and no others."""
        selector = self._ui.imagesSelector
        others = [node for node in self.images if node not in images]
        missing = [node for node in images if node not in self.images]
        if not (others or missing):  # what was found out about these images still counts
            return
        self._taking = True
        for node in others:
            selector.setCheckState(node, qt.Qt.Unchecked)
        for node in missing:
            selector.setCheckState(node, qt.Qt.Checked)
        self._taking = False
        self._onChoice()

    @property
    def inputs(self) -> tuple:
        """The widgets, which rest while a comparison runs."""
        ui = self._ui
        return (
            ui.imagesSelector, ui.viewCombo, ui.denseCombo, ui.radiusSlider, ui.radiusSpin, ui.refineCheck, ui.countSpin,
            ui.warpCombo, ui.partsSpin, ui.mapCombo,
        )  # fmt: skip

    def setParameterNode(self, parameterNode) -> None:
        """Take the choices of a scene's parameter node and keep them there from now on; None: keep them nowhere."""
        self._parameterNode = None
        if parameterNode is not None:
            values = (parameterNode.radiographView, parameterNode.dense, parameterNode.mapMethod)
            for (combo, _titles), value in zip(self._combos, values):
                combo.setCurrentIndex(max(0, combo.findData(value)))
            self.choose([node for node in parameterNode.radiographs if node is not None])
        self._parameterNode = parameterNode
        self._keep()

    def _onChoice(self) -> None:
        if not self._taking:
            self._keep()
            self._changed()

    def _keep(self) -> None:
        ui, node = self._ui, self._parameterNode
        if node is not None:
            node.radiographs = self.images
            node.radiographView, node.dense, node.mapMethod = self.view, self.dense, chosen(ui.mapCombo)
        has3d = any(not isFlat(image) for image in self.images)
        ui.viewCombo.visible = ui.viewLabel.visible = has3d
