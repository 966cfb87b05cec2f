"""Label maps as segments of a segmentation node in a volume's geometry."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

# Where nobody has named the tissue: the terminology's most general entry. The user's names are the segments' names.
TISSUE = "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~Anatomic codes - DICOM master list~^^~^^"


def importLabels(node, volumeNode, array: np.ndarray) -> None:
    """Replace a segmentation's segments by those of a label map; a new segment bears its label as value.

    Args:
        node: the vtkMRMLSegmentationNode.
        volumeNode: its reference geometry from now on.
        array: labels of the volume's size, indexed [k, j, i].
    """
    node.GetSegmentation().RemoveAllSegments()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "MedSSL labels")
    try:
        slicer.util.updateVolumeFromArray(labels, array.reshape(slicer.util.arrayFromVolume(volumeNode).shape[:3]))
        matrix = vtk.vtkMatrix4x4()
        volumeNode.GetIJKToRASMatrix(matrix)
        labels.SetIJKToRASMatrix(matrix)
        labels.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, node)
    finally:
        slicer.mrmlScene.RemoveNode(labels)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()


def describe(segment, name: str, colour: str, terminology: str = "") -> None:
    """Name, colour (#rrggbb) and terminology of a segment."""
    segment.SetTag(segment.GetTerminologyEntryTagName(), terminology or TISSUE)
    segment.SetName(name)
    segment.SetColor(*rgb(colour))


def rgb(colour: str) -> tuple[float, float, float]:
    """#rrggbb as three numbers 0...1."""
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
