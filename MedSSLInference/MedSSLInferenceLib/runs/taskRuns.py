"""Fine-tuned models at work on nodes of the scene, as runs: segment, predict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.channels.channelNodes import channelProblem, channelSteps, setFurther
from MedSSLLib.scene.volumeExport import greyVoxels, uploadSteps
from MedSSLLib.steps import Steps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import VolumeError
from medssl.core.requests import PredictRequest, SegmentRequest
from MedSSLInferenceLib.runs.inspectionRun import InspectionRun
from MedSSLInferenceLib.runs.radiographImages import viewOf
from MedSSLInferenceLib.scene.presence import requireGiven, requirePresent
from MedSSLInferenceLib.scene.results import PREDICTION, mark
from MedSSLInferenceLib.scene.segmentationNodes import segmentationSteps
from MedSSLInferenceLib.scene.tableNodes import createTable

LABEL_MAP, UNSURE = "segmentation.nrrd", "uncertainty.nrrd"


@dataclass(frozen=True)
class Predicted:
    """Probabilities of one or more images."""

    tableNode: Any  # vtkMRMLTableNode with the rows below
    table: tuple[
        dict[str, Any], ...
    ]  # a row per image and class: image, name, (head,) class, probability, low, high, ...
    info: dict[str, Any]
    images: tuple[Any, ...]  # the volume nodes that the rows' numbers mean
    view: str  # how 3D ones were made 2D


def segmentRun(
    volumeNode, model: str, onProgress: Callable = lambda *_: None, channels=(), **options: Any
) -> InspectionRun:
    """A segmentation of one volume or radiograph; its nodes are a Segmented.

    Args:
        volumeNode: a volume node, 3D or 2D.
        model: a job id, or the path of a weight file that the backend can read.
        onProgress: called with a fraction 0...1 and a message.
        channels: volume nodes of the model's further channels, in its order.
        options: further fields of SegmentRequest: overlap, mirror, uncertainty, device.

    Raises:
        InputError: no volume.
        VolumeError: no voxels, or colours; a channel that has no place in common with it or lies under another transform.
    """
    channels = tuple(channels)
    _check([volumeNode, *channels], model)
    for node in channels:
        if problem := channelProblem(volumeNode, node):
            raise VolumeError(node.GetName(), problem, _("Choose another volume"), code="channels-apart")

    def conversation(transport, stopped) -> Steps:
        onProgress(0.0, "")
        volume = yield from channelSteps(volumeNode, channels, sharesFiles(transport.address))
        request = SegmentRequest(volume, model, **options)
        status = yield from resultSteps((yield api.segment(request)), stopped, onProgress)
        labelMap = yield api.result_file(status.id, LABEL_MAP)
        return request, status, labelMap, ((yield api.result_file(status.id, UNSURE)) if request.uncertainty else b"")

    def createNodes(value) -> Steps:
        requirePresent([volumeNode], _("Load it and segment it again"))
        for number, node in enumerate(channels, 1):
            setFurther(
                volumeNode, number, node
            )  # for whoever corrects the segmentation and lets the model learn from it
        return (yield from segmentationSteps(volumeNode, *value))

    return InspectionRun(conversation, createNodes)


def predictRun(
    nodes, model: str, view: str = "", onProgress: Callable = lambda *_: None, **options: Any
) -> InspectionRun:
    """Probabilities of images; its nodes are Predicted.

    Args:
        nodes: volume nodes, 3D or 2D.
        view: how 3D ones become 2D where the model looks at radiographs: "frontal", "lateral", "red" or a slice such as
            "k:57"; "": they stay 3D.
        options: further fields of PredictRequest: test_time, device; of an Ark heads and findings, lists of names.
        model, onProgress: as in `segmentRun`.

    Raises:
        InputError: no volume, or the red view shows no slice of one.
        VolumeError: no voxels, or colours.
    """
    nodes = list(nodes)
    _check(nodes, model)
    views = [viewOf(node, view) for node in nodes]
    options = {key: tuple(value) if key in ("heads", "findings") else value for key, value in options.items()}
    names = Counter(node.GetName() for node in nodes)

    def conversation(transport, stopped) -> Steps:
        onProgress(0.0, "")
        refs = []
        for node, seen in zip(nodes, views):
            ref = yield from uploadSteps(node, sharesFiles(transport.address), seen)
            name = node.GetName() if names[node.GetName()] == 1 else f"{node.GetName()} ({node.GetID()})"
            refs.append(replace(ref, name=name))
        request = PredictRequest(tuple(refs), model, **options)
        return (yield from resultSteps((yield api.predict(request)), stopped, onProgress))

    return InspectionRun(conversation, lambda status: _createPrediction(nodes, view, status))


def _createPrediction(nodes, view: str, status) -> Predicted:
    title = _("Prediction of {name}") if len(nodes) == 1 else _("Prediction of {name} and {others} more")
    name = title.format(name=nodes[0].GetName(), others=len(nodes) - 1)
    tableNode = createTable(status.table, name)
    tableNode.SetAttribute("MedSSL.model", status.info.get("model", ""))
    mark({"table": tableNode}, PREDICTION, [node for node in nodes if node.GetScene() is not None])
    return Predicted(tableNode, tuple(status.table), status.info, tuple(nodes), view)


def _check(nodes, model: str) -> None:
    requireGiven(
        (nodes and None not in nodes, _("volume"), _("Choose a loaded volume")),
        (model, _("model"), _("Choose a fine-tuned model")),
    )
    for node in nodes:
        greyVoxels(node)
