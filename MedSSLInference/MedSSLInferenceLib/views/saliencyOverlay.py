"""A saliency map over its radiograph, with a text in the corner that says what made it and whether to rely on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from MedSSLLib.scene.volumeExport import ijkToRas
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from medssl.core.errors import MedSSLError
from MedSSLInferenceLib.scene.folders import folderOf, placeInFolder
from MedSSLInferenceLib.scene.heatColours import heatColours
from MedSSLInferenceLib.scene.overlayViews import bindOverlay, imageOf
from MedSSLInferenceLib.scene.pixelGeometry import imageSize, pixelsToWorld
from MedSSLInferenceLib.scene.results import MADE, Result, now, resultOf, reveal
from MedSSLInferenceLib.scene.results import SALIENCY_KEY as KEY
from MedSSLInferenceLib.scene.results import SALIENCY_LABEL as LABEL
from MedSSLInferenceLib.views.radiographLayout import facePixels, holdViews
from MedSSLInferenceLib.views.turnedView import TurnedView

IMAGE = "MedSSL.source"
CORNER = ((0.02, 0.07), (0.02, 0.12))  # of the image's width and height: where the lines of the text stand
PLAIN, FAILED_CHECK = (1.0, 1.0, 1.0), (1.0, 0.45, 0.2)  # colours of the text; over any image, so not from the palette
LEAST = 0.25  # share of the maximum below which the image is left clear: Slicer's layers are clear or not, never half
VIEW = "Red"


@dataclass(frozen=True)
class Saliency:
    """Where in an image a finding's probability comes from."""

    node: Any  # vtkMRMLScalarVolumeNode, 0...1
    label: Any  # vtkMRMLMarkupsFiducialNode with the text
    image: Any  # the 2D volume node below it
    text: str  # what made the map, of what, and how like those of random networks it is
    info: dict[str, Any]  # method, finding, head, probability, similarity, passed, ...


def createSaliency(image, model: str, status, data: bytes) -> Saliency:
    """Put a map over its image; the same question asked again replaces its answer.

    Args:
        image: the 2D volume node; it stays as it is.
        model: what was asked.
        status: the finished ResultStatus.
        data: NRRD bytes of the map.

    Raises:
        MedSSLError: a map of another size than the image's.
    """
    columns, rows = imageSize(image)
    values = read_nrrd_bytes(data)[0]
    if values.size != rows * columns:
        rule = _("holds {count} values instead of {rows} x {columns}").format(
            count=values.size, rows=rows, columns=columns
        )
        raise MedSSLError(_("saliency map"), rule, _("Use the backend that came with this extension"))
    info = status.info
    key = "|".join((model, info["head"], info["finding"], info["method"]))
    node = _madeBefore(image, key) or _newMap(image, key, info)
    slicer.util.updateVolumeFromArray(node, values.reshape(1, rows, columns).astype(np.float32))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas(image)))
    node.SetAndObserveTransformNodeID(image.GetTransformNodeID())
    node.SetDescription(info["text"])
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAndObserveColorNodeID(heatColours())
        node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(LEAST, 1.0)
    label = _label(node, image, info)
    node.SetAttribute(MADE, now())
    reveal(resultOf(node))
    return Saliency(node, label, image, info["text"], info)


def saliencyOf(result: Result) -> Saliency:
    """A saliency map of the scene, such as one that was loaded with it."""
    node, label = result.layers[0], next(iter(result.overlays), None)
    return Saliency(node, label, imageOf(node), node.GetDescription() or "", {})


def showSaliency(found: Saliency, layoutManager, opacity: float) -> bool:
    """Show the image with its map and its text alone in one view.

    Args:
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
        opacity: of the map, 0...1.

    Returns:
        Whether there was a layout manager to show it in.
    """
    if layoutManager is None:
        return False
    layoutManager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    widget = layoutManager.sliceWidget(VIEW)
    composite = widget.mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(found.image.GetID())
    composite.SetForegroundVolumeID(found.node.GetID())
    composite.SetLabelVolumeID(None)
    composite.SetForegroundOpacity(opacity)
    TurnedView(widget, found.image)
    facePixels(widget.mrmlSliceNode(), found.image)
    holdViews(layoutManager, [VIEW])
    reveal(resultOf(found.node))
    return True


def setSaliencyOpacity(found: Saliency, layoutManager, opacity: float) -> None:
    """Of the map, where it is shown."""
    widget = layoutManager.sliceWidget(VIEW) if layoutManager is not None else None
    if widget is not None and widget.mrmlSliceCompositeNode().GetForegroundVolumeID() == found.node.GetID():
        widget.mrmlSliceCompositeNode().SetForegroundOpacity(opacity)


def _madeBefore(image, key: str):
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.GetAttribute(KEY) == key and node.GetNodeReference(IMAGE) is image:
            return node
    return None


def _newMap(image, key: str, info: dict[str, Any]):
    title = _("{image}: where {finding} is seen ({method})")
    name = title.format(image=image.GetName(), finding=info["finding"], method=info["method"])
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAttribute(KEY, key)
    node.SetNodeReferenceID(IMAGE, image.GetID())
    _placeBeside(node, image)
    return node


def _label(node, image, info: dict[str, Any]):
    """The lines of the text as points without a mark: slice views draw them, and scenes keep them."""
    label = node.GetNodeReference(LABEL)
    if label is None:
        label = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLMarkupsFiducialNode", _("{name} text").format(name=node.GetName())
        )
        label.CreateDefaultDisplayNodes()
        label.SetAttribute(KEY, node.GetAttribute(KEY))
        node.SetNodeReferenceID(LABEL, label.GetID())
        _placeBeside(label, image)
    label.SetNodeReferenceID(IMAGE, image.GetID())
    label.SetLocked(False)
    label.RemoveAllControlPoints()
    size = np.array(imageSize(image))
    for place, line in zip(pixelsToWorld(image, np.array(CORNER) * size), info["text"].split("; ", 1)):
        label.AddControlPointWorld(place.tolist(), line)
    label.SetLocked(True)
    display = label.GetDisplayNode()
    colour = PLAIN if info.get("passed", True) else FAILED_CHECK
    display.SetSelectedColor(*colour)
    display.SetColor(*colour)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(0.01)
    display.SetPointLabelsVisibility(True)
    display.SetPropertiesLabelVisibility(False)
    bindOverlay(label)
    return label


def _placeBeside(node, image) -> None:
    folder = folderOf(image)
    if folder:
        placeInFolder(node, folder)
