"""Segmentation nodes as label maps in a volume's geometry: segment n of the node gets the value n + 1."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from medssl.core.errors import VolumeError

MODEL, DIGEST = "MedSSL.model", "MedSSL.digest"  # of a segmentation that a model made: by which, and what it was


@dataclass(frozen=True)
class SegmentFacts:
    """What is known of a segment beside its voxels."""

    name: str
    colour: str  # #rrggbb
    terminology: str  # Slicer's terminology entry, "" where none was chosen


def referenceVolume(segmentationNode):
    """The volume on which a segmentation was made, or None."""
    return segmentationNode.GetNodeReference(segmentationNode.GetReferenceImageGeometryReferenceRole())


def segmentsOf(segmentationNode) -> list:
    """The vtkSegments of a segmentation node, in its order."""
    segmentation = segmentationNode.GetSegmentation()
    return [segmentation.GetNthSegment(number) for number in range(segmentation.GetNumberOfSegments())]


def segmentFacts(segmentationNode) -> list[SegmentFacts]:
    """Name, colour and terminology of each segment."""
    found = []
    for segment in segmentsOf(segmentationNode):
        entry = vtk.reference("")
        known = segment.GetTag(segment.GetTerminologyEntryTagName(), entry)
        colour = "#" + "".join(f"{round(255 * part):02x}" for part in segment.GetColor())
        found.append(SegmentFacts(segment.GetName(), colour, str(entry) if known else ""))
    return found


def labelArray(segmentationNode, volumeNode) -> np.ndarray:
    """The label map in the volume's geometry, indexed [k, j, i], uint8 (or int16 above 255 segments).

    Where segments overlap, the later one counts.

    Raises:
        VolumeError: Slicer cannot convert the segmentation.
    """
    segmentation, identifiers = segmentationNode.GetSegmentation(), vtk.vtkStringArray()
    for number in range(segmentation.GetNumberOfSegments()):
        identifiers.InsertNextValue(segmentation.GetNthSegmentID(number))
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "MedSSL label map")
    try:
        logic = slicer.modules.segmentations.logic()
        if not logic.ExportSegmentsToLabelmapNode(segmentationNode, identifiers, labels, volumeNode):
            rule, remedy = _("cannot be turned into a label map"), _("Make its binary label map representation anew")
            raise VolumeError(segmentationNode.GetName(), rule, remedy)
        array = slicer.util.arrayFromVolume(labels)
        return array.astype(np.uint8 if identifiers.GetNumberOfValues() < 256 else np.int16)
    finally:
        display = labels.GetDisplayNode()
        colours = display.GetColorNode() if display is not None else None
        for node in (labels, display, colours):  # the export made a display and a table of its own
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)


def isEmpty(segmentationNode) -> bool:
    """Whether no segment has a voxel; cheap, so a segmentation that was painted and then erased may pass."""
    name = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    for segment in segmentsOf(segmentationNode):
        shown = segment.GetRepresentation(name)
        if shown is None or not shown.IsEmpty():  # None: it has other representations, such as a surface
            return False
    return True


def markPrediction(segmentationNode, volumeNode, model: str) -> None:
    """Note in the scene that a model made this segmentation, and what it looked like."""
    segmentationNode.SetAttribute(MODEL, model)
    segmentationNode.SetAttribute(DIGEST, _digest(segmentationNode, volumeNode))


def isPrediction(segmentationNode) -> bool:
    """Whether a model made it, corrected or not."""
    return bool(segmentationNode.GetAttribute(MODEL))


def isCorrected(segmentationNode, volumeNode) -> bool:
    """Whether a model made it and somebody has changed its voxels since."""
    return isPrediction(segmentationNode) and (
        segmentationNode.GetAttribute(DIGEST) != _digest(segmentationNode, volumeNode)
    )


def _digest(segmentationNode, volumeNode) -> str:
    return f"{zlib.crc32(labelArray(segmentationNode, volumeNode)):08x}"
