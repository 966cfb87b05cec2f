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
MADE_BY = (OVERLAY, "MedSSL.group", "MedSSL.saliency")  # attributes, also in scenes saved before there was the first
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
    if node.GetAttribute(OVERLAY) != "1":
        node.SetAttribute(OVERLAY, "1")
    if not _composites():
        return
    views = _viewsOf(imageOf(node)) or [NOWHERE]
    for number in range(node.GetNumberOfDisplayNodes()):
        display = node.GetNthDisplayNode(number)
        if display is not None and list(display.GetViewNodeIDs()) != views:
            display.SetViewNodeIDs(views)


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


def _dropForeign(composite) -> None:
    """Take a heat map of another image out of a view's upper layer."""
    upper = slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")
    if upper is None or not any(upper.GetAttribute(name) for name in MADE_BY):
        return
    image = imageOf(upper)
    if image is None or image.GetID() != composite.GetBackgroundVolumeID():
        composite.SetForegroundVolumeID(None)


overlayViews = OverlayViews()  # one for panel and console
