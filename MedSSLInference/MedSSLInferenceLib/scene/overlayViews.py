"""What was computed from an image is drawn over that image and over no other, whatever the views show next.

Slicer shows points and segmentations in every view unless their display nodes name views, and radiographs lie on top of each
other in the scene: without this, one patient's results lie over the next patient's image.
"""

from __future__ import annotations

import qt
import slicer
import vtk
from MedSSLLib.channels.channelNodes import CHANNEL
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
    views = [] if isFree else _viewsOf(image, _accepted(node, image)) or [NOWHERE]
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


def _editors() -> list:
    return slicer.util.getNodesByClass("vtkMRMLSegmentEditorNode")


def _accepted(node, image) -> set[str]:
    """IDs of the volumes that a result may be drawn over.

    Those are its image, and of a segmentation of a 3D volume also what the user said belongs to it: the image's further channels,
    and the source volume that Segment Editor has for this segmentation.
    """
    accepted = {image.GetID()} if image is not None else set()
    if image is None or isFlat(image) or not isinstance(node, slicer.vtkMRMLSegmentationNode):
        return accepted
    roles = [role for role in _referenceRoles(image) if role.startswith(CHANNEL)]
    accepted |= {image.GetNodeReferenceID(role) for role in roles} | overlayViews.sourcesOf(node)
    return accepted - {None}


def _referenceRoles(node) -> list[str]:
    return [node.GetNthNodeReferenceRole(number) for number in range(node.GetNumberOfNodeReferenceRoles())]


def _viewsOf(image, accepted: set[str]) -> list[str]:
    """IDs of the slice views that show a volume of these, and for a 3D image those of the 3D views, where nothing lies over a slice."""
    if image is None:
        return []
    flat = isFlat(image)
    shown = {one.GetLayoutName() for one in _composites() if accepted & {*_layers(one, flat)}}
    views = [one for one in slicer.util.getNodesByClass("vtkMRMLSliceNode") if one.GetLayoutName() in shown]
    views += [] if flat else slicer.util.getNodesByClass("vtkMRMLViewNode")
    return [view.GetID() for view in views]


def _layers(composite, flat: bool) -> tuple:
    """What counts as shown: a 3D volume also as the upper one of two that are blended."""
    background = composite.GetBackgroundVolumeID()
    return (background,) if flat else (background, composite.GetForegroundVolumeID())


def _edited(editor) -> tuple:
    """IDs of the segmentation and the source volume that Segment Editor has, each "" without one."""
    nodes = editor.GetSegmentationNode(), editor.GetSourceVolumeNode()
    return tuple(node.GetID() if node is not None else "" for node in nodes)


class OverlayViews:
    """Keeps results bound while views show other images, images go, scenes are loaded, and segmentations are edited."""

    def __init__(self) -> None:
        self._sceneTags: list[int] = []
        self._observed: dict[str, tuple] = {}  # by ID of the slice composite or segment editor node
        self._edited: dict[str, tuple] = {}  # what each segment editor node had when it was last asked
        self._left: set[tuple] = set()  # segmentation and source volume that the user exchanges for another one
        self._timer = None

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
        self._sceneTags, self._observed, self._edited, self._left = [], {}, {}, set()
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self._forgetLeft)
            self._timer = None

    def sourcesOf(self, segmentationNode) -> set[str]:
        """IDs of the volumes over which the user edits a segmentation."""
        pairs = {*map(_edited, _editors())} | self._left
        return {source for segmentation, source in pairs if source and segmentation == segmentationNode.GetID()}

    def _onScene(self, *_event) -> None:
        """Views may have come or gone."""
        composites = {node.GetID(): node for node in _composites()}
        editors = {node.GetID(): node for node in _editors()}
        watched = {**composites, **editors}
        for key in [key for key, (node, _tag) in self._observed.items() if watched.get(key) is not node]:
            node, tag = self._observed.pop(key)
            node.RemoveObserver(tag)
        for key in watched.keys() - self._observed.keys():
            called = self._onEditor if key in editors else self._onView
            self._observed[key] = (watched[key], watched[key].AddObserver(vtk.vtkCommand.ModifiedEvent, called))
        self._edited = {key: _edited(editor) for key, editor in editors.items()}
        for composite in composites.values():
            _dropForeign(composite)
        bindOverlays()

    def _onEditor(self, editor, _event) -> None:
        """Segment Editor puts a source volume that is newly chosen into the views that draw the segmentation, one after another.

        So the volume that they still show counts for one event loop more: without it they would not draw the segmentation, and
        the editor would pass them over.
        """
        before, now = self._edited.get(editor.GetID(), ("", "")), _edited(editor)
        if before == now:
            return
        self._edited[editor.GetID()] = now
        if before[0] and before[0] == now[0] and before[1]:
            self._left.add(before)
            if self._timer is None:
                self._timer = qt.QTimer()
                self._timer.setSingleShot(True)
                self._timer.setInterval(0)
                self._timer.connect("timeout()", self._forgetLeft)
            self._timer.start()
        if not slicer.mrmlScene.IsBatchProcessing():
            bindOverlays()

    def _forgetLeft(self) -> None:
        self._left = set()
        if not slicer.mrmlScene.IsBatchProcessing():
            bindOverlays()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onAdded(self, _scene, _event, node) -> None:
        views = ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode", "vtkMRMLViewNode", "vtkMRMLSegmentEditorNode")
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
