"""A segmentation that a model made, as a node beside the volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer
from MedSSLLib.scene.labelMaps import markPrediction, segmentsOf
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from MedSSLInferenceLib.scene.clearing import removeNode
from MedSSLInferenceLib.scene.folders import folderOf, placeInFolder
from MedSSLInferenceLib.scene.labelMapSegments import describe, importLabels
from MedSSLInferenceLib.scene.overlayViews import bindOverlay
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.results import MADE, now, resultOf, reveal, setShown
from MedSSLInferenceLib.scene.uncertaintyNodes import createUncertainty


@dataclass(frozen=True)
class Segmented:
    """What a segmentation leaves in the scene."""

    node: Any  # vtkMRMLSegmentationNode: every class of the model, also those that were not found
    volume: Any  # the volume node that was segmented
    table: tuple[dict[str, Any], ...]  # a row per class: class, value, colour, voxels, volume_ml or area_cm2
    info: dict[str, Any]  # segments, notes
    uncertainty: Any = None  # vtkMRMLScalarVolumeNode, 0 (sure) to 1, where it was asked for


def segmentationSteps(volumeNode, request, result, labelMap: bytes, unsure: bytes = b"") -> Steps:
    """Make a new segmentation node; earlier ones of the same volume stay, but are not shown.

    A conversation that only pauses, since the segments of a whole CT take their time; ended early it leaves nothing behind.

    Args:
        volumeNode: what was segmented; it stays as it is.
        request: the SegmentRequest.
        result: its ResultStatus, with table and info.
        labelMap: NRRD bytes, of the volume's size.
        unsure: those of the uncertainty map; empty where none was asked for.

    Returns:
        A Segmented.
    """
    array = read_nrrd_bytes(labelMap, copy=False)[0]  # before the scene changes: it may be damaged
    node = _newNode(volumeNode)
    try:
        yield Pause(0.0)
        importLabels(node, volumeNode, array)
        bindOverlay(node)
        yield Pause(0.0)
        requirePresent([volumeNode, node], _("Load it and segment it again"))
        _complete(node, result.info["segments"])
        folder = folderOf(volumeNode)
        if folder:
            placeInFolder(node, folder)
        yield Pause(0.0)
        requirePresent([volumeNode, node], _("Load it and segment it again"))
        markPrediction(node, volumeNode, request.model)
        uncertainty = createUncertainty(node, volumeNode, request.model, unsure) if unsure else None
    except BaseException:  # GeneratorExit too: nobody waits for it any more
        removeNode(node)
        raise
    node.SetAttribute(MADE, now())
    reveal(resultOf(node))
    if uncertainty is not None:
        setShown(resultOf(uncertainty), True)  # over the same volume, as the only result beside this one
    return Segmented(node, volumeNode, tuple(result.table), result.info, uncertainty)


def emptySegmentation(volumeNode, classes):
    """A segmentation node with empty segments, for the user to paint, named and drawn as those that models make; it is the user's.

    Args:
        volumeNode: what is to be segmented.
        classes: value, name, colour and terminology of each; none: without segments.
    """
    node = _newNode(volumeNode)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    _complete(node, classes)
    bindOverlay(node)
    return node


def _newNode(volumeNode):
    name = slicer.mrmlScene.GenerateUniqueName(_("{name} segmentation").format(name=volumeNode.GetName()))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetNodeReferenceID("MedSSL.source", volumeNode.GetID())
    return node


def _complete(node, classes) -> None:
    """Every class of the model, in its order: what was not found is an empty segment, for the user to paint."""
    segmentation = node.GetSegmentation()
    found = {segment.GetLabelValue(): segment for segment in segmentsOf(node)}
    for number, one in enumerate(classes):
        segment = found.get(one["value"])
        if segment is None:
            segment = segmentation.GetSegment(segmentation.AddEmptySegment("", one["name"]))
            segment.SetLabelValue(one["value"])
        describe(segment, one["name"], one["colour"], one.get("terminology", ""))
        segmentation.SetSegmentIndex(segmentation.GetSegmentIdBySegment(segment), number)
