"""What was computed from an image is drawn over that image and over no other, whatever the views show next.

Slicer shows points and segmentations in every view unless their display nodes name views, and radiographs lie on top of each
other in the scene: without this, one patient's results lie over the next patient's image.
"""

from __future__ import annotations

import slicer
import vtk
from MedSSLLib.scene.volumeExport import isFlat

IMAGE, SOURCE = "MedSSL.image", "MedSSL.source"  # references: the image that a result was computed from
OVERLAY = "MedSSL.overlay"  # attribute of a result that was bound: it stays one when its image is gone
MADE_BY = (
    OVERLAY,
    "MedSSL.group",
    "MedSSL.saliency",
    "MedSSL.uncertainty",
)  # attributes, also in scenes saved before there was the first
HIDDEN = "MedSSL.hidden"  # attribute of a heat map: "1" where it lies over no image for now
NOWHERE = "vtkMRMLSliceNodeMedSSLNowhere"  # there is no such view; an empty list of views would mean all


def bindOverlays() -> None:
    """Bind every result of the scene."""
    for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode"):
        if isinstance(node, slicer.vtkMRMLVolumeNode):
            continue  # shown by choosing it in a view
        if imageOf(node) is not None or any(node.GetAttribute(name) for name in MADE_BY):
            bindOverlay(node)


def bindOverlay(node) -> None:
    """Show points or a segmentation in the slice views that show their image, and in no other.

    Views are named in the display nodes, so that a saved scene keeps it. A scene without slice views, as of Slicer without a
    main window, has nothing that a result could lie over.
    """
    image = imageOf(node)
    isFree = image is None and isinstance(node, slicer.vtkMRMLMarkupsROINode)  # the volume of a user's region is gone
    if isFree:
        node.RemoveAttribute(OVERLAY)
    elif node.GetAttribute(OVERLAY) != "1":
        node.SetAttribute(OVERLAY, "1")
    if not _composites():
        return
    views = [] if isFree else _viewsOf(image) or [NOWHERE]
    for number in range(node.GetNumberOfDisplayNodes()):
        display = node.GetNthDisplayNode(number)
        if display is not None and list(display.GetViewNodeIDs()) != views:
            display.SetViewNodeIDs(views)


def isBound(node) -> bool:
    """Whether a node is drawn over its image alone."""
    return node.GetAttribute(OVERLAY) == "1"


def bindRegion(roiNode, volumeNode) -> None:
    """Show a region where the volume is shown that it was drawn in or used for, not over the results of using it."""
    roiNode.SetNodeReferenceID(IMAGE, volumeNode.GetID())
    bindOverlay(roiNode)


def layOver(layers) -> None:
    """Lay heat maps over the slice views that show their images, and take away those that are hidden.

    What the user has laid over an image stays.
    """
    for composite in _composites():
        upper = slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")
        for layer in layers:
            image = imageOf(layer)
            if layer.GetAttribute(HIDDEN) == "1":
                if upper is layer:
                    composite.SetForegroundVolumeID(None)
            elif image is not None and composite.GetBackgroundVolumeID() == image.GetID() and _mayLeave(upper):
                composite.SetForegroundVolumeID(layer.GetID())


def imageOf(node):
    """The image that a result was computed from, or None."""
    return node.GetNodeReference(IMAGE) or node.GetNodeReference(SOURCE)


def _composites() -> list:
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def _viewsOf(image) -> list[str]:
    """IDs of the slice views that show an image, and for a 3D one those of the 3D views, where nothing lies over a slice."""
    if image is None:
        return []
    flat = isFlat(image)
    shown = {one.GetLayoutName() for one in _composites() if image.GetID() in _layers(one, flat)}
    views = [one for one in slicer.util.getNodesByClass("vtkMRMLSliceNode") if one.GetLayoutName() in shown]
    views += [] if flat else slicer.util.getNodesByClass("vtkMRMLViewNode")
    return [view.GetID() for view in views]


def _layers(composite, flat: bool) -> tuple:
    """What counts as shown: a 3D volume also as the upper one of two that are blended."""
    background = composite.GetBackgroundVolumeID()
    return (background,) if flat else (background, composite.GetForegroundVolumeID())


class OverlayViews:
    """Keeps results bound while views show other images, images go, and scenes are loaded."""

    def __init__(self) -> None:
        self._sceneTags: list[int] = []
        self._observed: dict[str, tuple] = {}  # by ID of the slice composite node

    def start(self) -> None:
        """Begin, unless this was done before."""
        if self._sceneTags:
            return
        scene = slicer.mrmlScene
        events = ((scene.NodeAddedEvent, self._onAdded), (scene.NodeRemovedEvent, self._onRemoved),
                  (scene.EndBatchProcessEvent, self._onScene), (scene.EndImportEvent, self._onScene),
                  (scene.EndCloseEvent, self._onScene))  # fmt: skip
        self._sceneTags = [scene.AddObserver(event, called) for event, called in events]
        self._onScene()

    def stop(self) -> None:
        """The module goes away; views that are bound stay so."""
        for tag in self._sceneTags:
            slicer.mrmlScene.RemoveObserver(tag)
        for node, tag in self._observed.values():
            node.RemoveObserver(tag)
        self._sceneTags, self._observed = [], {}

    def _onScene(self, *_event) -> None:
        """Views may have come or gone."""
        composites = {node.GetID(): node for node in _composites()}
        for key in [key for key, (node, _tag) in self._observed.items() if composites.get(key) is not node]:
            node, tag = self._observed.pop(key)
            node.RemoveObserver(tag)
        for key in composites.keys() - self._observed.keys():
            tag = composites[key].AddObserver(vtk.vtkCommand.ModifiedEvent, self._onView)
            self._observed[key] = (composites[key], tag)
        for composite in composites.values():
            _dropForeign(composite)
        bindOverlays()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onAdded(self, _scene, _event, node) -> None:
        views = ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode", "vtkMRMLViewNode")
        if not slicer.mrmlScene.IsBatchProcessing() and any(node.IsA(name) for name in views):
            self._onScene()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onRemoved(self, _scene, _event, node) -> None:
        if not slicer.mrmlScene.IsBatchProcessing() and node.IsA("vtkMRMLVolumeNode"):
            self._onScene()

    def _onView(self, composite, _event) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            _dropForeign(composite)
            bindOverlays()


def _isLayer(volumeNode) -> bool:
    """Whether a volume is a result that may lie over its image, and over no other; a case that was found is an image."""
    return not volumeNode.GetAttribute("MedSSL.case") and any(
        volumeNode.GetAttribute(name) for name in (*MADE_BY, "MedSSL.result")
    )


def _mayLeave(upper) -> bool:
    """Whether what lies over an image is no volume that the user has put there."""
    return upper is None or _isLayer(upper)


def _dropForeign(composite) -> None:
    """Take results of another image out of a view's upper layers, and a heat map whose image is gone out of the lowest.

    Slicer shows any other volume where one is deleted.
    """
    below = slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
    if below is not None and any(below.GetAttribute(name) for name in MADE_BY) and imageOf(below) is None:
        composite.SetBackgroundVolumeID(None)
        below = None
    for upper, drop in (
        (composite.GetForegroundVolumeID(), composite.SetForegroundVolumeID),
        (composite.GetLabelVolumeID(), composite.SetLabelVolumeID),
    ):
        node = slicer.mrmlScene.GetNodeByID(upper or "")
        if node is not None and _isLayer(node):
            image = imageOf(node)
            if image is None or below is None or (image is not below and image is not imageOf(below)):
                drop(None)


overlayViews = OverlayViews()  # one for panel and console
