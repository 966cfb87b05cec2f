"""The invariant of every scene: nothing is drawn in a slice view over an image that it was not computed from."""

from __future__ import annotations

import slicer

REFERENCES = ("MedSSL.image", "MedSSL.source")


def misplaced() -> list[str]:
    """What lies over another image in some slice view of the scene, shown by the layout or not.

    Results are all points and segmentations with an attribute or a reference of this extension; those of the user are free.
    """
    found = []
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        name = composite.GetLayoutName()
        view = next((v for v in slicer.util.getNodesByClass("vtkMRMLSliceNode") if v.GetLayoutName() == name), None)
        if view is None:
            continue
        layers = [composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()]
        for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode"):
            if isResult(node) and not isinstance(node, slicer.vtkMRMLVolumeNode) and isDrawn(node, view):
                image = imageOf(node)
                allowed = layers[:1] if image is not None and image.GetImageData().GetDimensions()[2] == 1 else layers
                if layers[0] and (image is None or image.GetID() not in allowed):
                    found.append(f"{node.GetName()} in {name}, which shows {layers[0]}")
        below = slicer.mrmlScene.GetNodeByID(layers[0] or "")
        for upper in map(slicer.mrmlScene.GetNodeByID, (layers[1] or "", composite.GetLabelVolumeID() or "")):
            own = [] if upper is None or below is None else [below, imageOf(below)]
            if own and isLayer(upper) and (imageOf(upper) is None or imageOf(upper) not in own):
                found.append(f"volume {upper.GetName()} in {name}, which shows {layers[0]}")
    return found


def imageOf(node):
    """The image that a node says it belongs to."""
    return next((image for role in REFERENCES if (image := node.GetNodeReference(role)) is not None), None)


def isResult(node) -> bool:
    """Whether this extension made it."""
    return any(name.startswith("MedSSL.") for name in node.GetAttributeNames()) or imageOf(node) is not None


def isLayer(volume) -> bool:
    """Whether a volume is a result that may lie over its image, or over another result of it."""
    made = any(volume.GetAttribute(name) for name in ("MedSSL.group", "MedSSL.saliency", "MedSSL.result"))
    return made and not volume.GetAttribute("MedSSL.case")


def isDrawn(node, view) -> bool:
    """Whether Slicer draws a node in a view, as its displayable managers decide."""
    displays = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    return any(d is not None and d.GetVisibility() and d.IsDisplayableInView(view.GetID()) for d in displays)
