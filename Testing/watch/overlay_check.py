"""The invariant of every scene: nothing is drawn in a slice view over an image that it was not computed from.

Goes over every display node of every node, every layer of every slice view, shown by the layout or not.
"""

from __future__ import annotations

import sys

import slicer
import vtk

REFERENCES = ("MedSSL.image", "MedSSL.source")
OWN = ("MedSSLLib", "MedSSLPretrainLib", "MedSSLInferenceLib")  # folders whose code makes nodes
UPPER = ("Foreground", "Label")

_made: set[str] = set()  # IDs of nodes that the code of this extension added to the scene


def watch(scene) -> int:
    """Note from now on which nodes this extension makes; the observer's tag."""
    _made.clear()
    return scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, _added)


@vtk.calldata_type(vtk.VTK_OBJECT)
def _added(_scene, _event, node) -> None:
    frame = sys._getframe()
    while frame is not None:
        if any(f"{folder}/" in frame.f_code.co_filename.replace("\\", "/") for folder in OWN):
            _made.add(node.GetID())
            return
        frame = frame.f_back


def misplaced() -> list[str]:
    """What lies over another image in some slice view, one text each.

    Results are nodes that this extension made, or with an attribute or a reference of it; those of the user are free.
    """
    found = []
    views = {view.GetLayoutName(): view for view in slicer.util.getNodesByClass("vtkMRMLSliceNode")}
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        view, image = views.get(composite.GetLayoutName()), _node(composite.GetBackgroundVolumeID())
        if view is not None:
            found += _wrongLayers(composite, image)
        if view is not None and image is not None:
            shown = {image.GetID()} if _isFlat(image) else {image.GetID(), composite.GetForegroundVolumeID()}
            found += [
                f"{n.GetName()} in {view.GetName()}, which shows {image.GetName()}" for n in _foreign(view, shown)
            ]
    return found


def _foreign(view, shown: set) -> list:
    """Results drawn in a view that shows none of their images."""
    nodes = slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
    drawn = [n for n in nodes if isResult(n) and not isinstance(n, slicer.vtkMRMLVolumeNode) and isDrawn(n, view)]
    return [n for n in drawn if imageOf(n) is None or not _mayLieOver(n) & shown]


def _mayLieOver(node) -> set[str]:
    """A result's image; a segmentation of a volume may also lie over what the user paired with it.

    Those are the further channels of its volume, and the source volume of the Segment Editor that has this segmentation.
    """
    image = imageOf(node)
    allowed = {image.GetID()}
    if isinstance(node, slicer.vtkMRMLSegmentationNode) and not _isFlat(image):
        allowed |= {image.GetNodeReferenceID(f"MedSSL.channel{number}") for number in range(1, 10)} - {None}
        for editor in slicer.util.getNodesByClass("vtkMRMLSegmentEditorNode"):
            if editor.GetSegmentationNode() is node and editor.GetSourceVolumeNode() is not None:
                allowed.add(editor.GetSourceVolumeNode().GetID())
    return allowed


def _wrongLayers(composite, image) -> list[str]:
    """Heat maps, label maps and other results that lie over an image with which they have nothing in common."""
    found = []
    for layer in UPPER:
        upper = _node(getattr(composite, f"Get{layer}VolumeID")())
        if upper is None or not isResult(upper):
            continue
        if image is None or not (_family(upper) & _family(image)):
            name = image.GetName() if image is not None else "no image"
            found.append(f"{upper.GetName()} as {layer.lower()} in {composite.GetLayoutName()}, which shows {name}")
    return found


def _family(volume) -> set[str]:
    """A volume and the image that it was computed from: either may be blended over the other."""
    return {one.GetID() for one in (volume, imageOf(volume)) if one is not None}


def imageOf(node):
    """The image that a node says it belongs to."""
    return next((image for role in REFERENCES if (image := node.GetNodeReference(role)) is not None), None)


def isResult(node) -> bool:
    """Whether this extension made it; a case that it found is an image like any other."""
    if node.GetAttribute("MedSSL.case"):
        return False
    marked = any(name.startswith("MedSSL.") for name in node.GetAttributeNames()) or imageOf(node) is not None
    return node.GetID() in _made or (marked and not _isImage(node))


def _isImage(node) -> bool:
    """A volume of the user's that the extension noted something about, such as its modality or a label."""
    return (
        isinstance(node, slicer.vtkMRMLVolumeNode) and imageOf(node) is None and not node.GetAttribute("MedSSL.group")
    )


def isDrawn(node, view) -> bool:
    """Whether Slicer draws a node in a slice view, as its displayable managers decide."""
    displays = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    return any(d is not None and _isOn(d) and d.IsDisplayableInView(view.GetID()) for d in displays)


def _isOn(display) -> bool:
    return bool(display.GetVisibility()) and bool(display.GetVisibility2D())


def _isFlat(volume) -> bool:
    return volume.GetImageData() is not None and volume.GetImageData().GetDimensions()[2] == 1


def _node(identifier):
    return slicer.mrmlScene.GetNodeByID(identifier or "")
