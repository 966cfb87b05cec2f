"""Landmark retrieval error of models on radiographs of the scene whose landmarks are marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.scene.volumeExport import uploadSteps
from MedSSLLib.steps import Steps, resultSteps
from MedSSLLib.widgets.counted import counted
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import InputError
from medssl.core.protocol import DataSpec
from medssl.core.requests import LandmarksRequest
from MedSSLInferenceLib.runs.inspectionRun import InspectionRun
from MedSSLInferenceLib.runs.radiographImages import pictures
from MedSSLInferenceLib.scene.pixelGeometry import worldToPixel
from MedSSLInferenceLib.scene.results import LANDMARKS, mark
from MedSSLInferenceLib.scene.tableNodes import createTable


@dataclass(frozen=True)
class LandmarkErrors:
    """A row per model, landmark and group of patients."""

    tableNode: Any
    table: tuple[dict[str, Any], ...]
    info: dict[str, Any]


def landmarksRun(nodes, models, pointLists, onProgress: Callable = lambda *_: None, **options) -> InspectionRun:
    """Its nodes are LandmarkErrors; see MedSSLInferenceLogic.landmarks.

    Raises:
        InputError: too few images, or not a point list for each.
    """
    nodes, pointLists = list(nodes), list(pointLists)
    pictures(nodes)
    if len(pointLists) != len(nodes):
        value = _("{lists} point lists").format(lists=len(pointLists))
        rule = counted(len(nodes), _("do not fit {count} radiograph"), _("do not fit {count} radiographs"))
        raise InputError(value, rule, _("Give one for each"), code="point-lists-missing")
    models = (models,) if isinstance(models, str) else tuple(models)
    points = tuple(
        {"image": imageName(number), "landmark": label, "x": x, "y": y}
        for number, (node, marked) in enumerate(zip(nodes, pointLists))
        for label, (x, y) in marks(node, marked)
    )

    def conversation(transport, stopped) -> Steps:
        refs = []
        for number, node in enumerate(nodes):
            ref = yield from uploadSteps(node, sharesFiles(transport.address))
            patient = node.GetAttribute("MedSSL.Patient") or imageName(number)
            refs.append(replace(ref, name=imageName(number), patient=patient))
        request = LandmarksRequest(DataSpec(volumes=tuple(refs)), models, points=points, **options)
        return (yield from resultSteps((yield api.landmarks(request)), stopped, onProgress))

    return InspectionRun(conversation, _createNodes)


def catalogueLandmarksRun(images: str, landmarks: str, models, onProgress: Callable = lambda *_: None, **options):
    """The same for images and landmarks that lie on the backend's computer; its nodes are LandmarkErrors.

    Args:
        images: a table (CSV) with the columns image and patient, or a folder.
        landmarks: a table (CSV) with the columns image, landmark, x, y.
        options: further fields of LandmarksRequest.
    """
    models = (models,) if isinstance(models, str) else tuple(models)

    def conversation(_transport, stopped) -> Steps:
        request = LandmarksRequest(DataSpec(path=images), models, landmarks=landmarks, **options)
        return (yield from resultSteps((yield api.landmarks(request)), stopped, onProgress))

    return InspectionRun(conversation, _createNodes)


def _createNodes(status) -> LandmarkErrors:
    tableNode = createTable(status.table, _("Landmark retrieval error"))
    mark({"table": tableNode}, LANDMARKS, ())
    return LandmarkErrors(tableNode, status.table, status.info)


def imageName(number: int) -> str:
    """What an image is called in the request: names of nodes need not be unique."""
    return f"image-{number + 1}"


def marks(imageNode, pointList) -> list[tuple[str, tuple[float, float]]]:
    """Label and pixel of every control point."""
    return [
        (pointList.GetNthControlPointLabel(n), worldToPixel(imageNode, pointList.GetNthControlPointPositionWorld(n)))
        for n in range(pointList.GetNumberOfControlPoints())
    ]
