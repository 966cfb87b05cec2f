"""Points of one volume looked for in another, as a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.scene.volumeExport import ijkToRas, uploadSteps
from MedSSLLib.steps import Pause, Steps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import InputError
from medssl.core.requests import CorrespondVolumesRequest
from MedSSLInferenceLib.runs.inspectionRun import InspectionRun
from MedSSLInferenceLib.runs.restorationRun import checked
from MedSSLInferenceLib.scene.comparison.placeNodes import (
    Places,
    createPlaces,
    placesOf,
    replacePoints,
    showHeat,
    showMatches,
)
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.results import reveal

Points = Sequence[Sequence[float]]


@dataclass(frozen=True)
class FoundPlaces:
    """Where points of one volume are in another."""

    places: Places  # the nodes: `places.points`, and `places.get(role)` for matches, control, heat and table
    table: tuple[dict[str, Any], ...]
    info: dict[str, Any]


def findPlacesRun(
    nodes,
    model: str,
    points: Points | None = None,
    shared: int = 0,
    onProgress: Callable = lambda *_: None,
    **options: Any,
) -> InspectionRun:
    """Points of the first of two volume nodes looked for in the second; its nodes are FoundPlaces.

    Args:
        nodes: two vtkMRMLScalarVolumeNodes.
        model: a job id, or the path of a weight file that the backend can read.
        points: R, A, S in mm each, as the first volume has them; None: those of an earlier run, else the middle of the volume.
        shared: so many places that both volumes share are chosen instead of points; 0: none.
        onProgress: called with a fraction 0...1 and a message.
        options: further fields of CorrespondVolumesRequest: search_radius, refine, compare_untrained, seed, device.

    Raises:
        InputError: a node holds no 3D image, or both are the same.
    """
    source, target = (checked(node) for node in nodes)
    if source is target:
        raise InputError(
            source.GetName(), _("is both volumes"), _("Choose another volume to search"), code="volume-twice"
        )
    known = placesOf(source, target)
    if points is None:
        points = (known.positions() if known is not None else []) or [middle(source)]
    wanted = () if shared else tuple(tuple(float(value) for value in point) for point in points)

    def conversation(transport, stopped) -> Steps:
        onProgress(0.0, "")
        refs = yield from refSteps((source, target), transport)
        request = CorrespondVolumesRequest(refs, model, points=wanted, count=shared or 1, map_of=0, **options)
        status = yield from resultSteps((yield api.correspond_volumes(request)), stopped, onProgress)
        data = (yield api.result_file(status.id, mapName(0))) if mapName(0) in status.files else b""
        return status, data

    def createNodes(value) -> Steps:
        status, data = value
        requirePresent([source, target], _("Load it and search again"))
        places = createPlaces(source, target)
        yield Pause(0.0)
        replacePoints(places, pointsOf(status.table))
        showMatches(places, status.table, model)
        yield Pause(0.0)
        showHeat(places, data)
        reveal(places.result)
        return FoundPlaces(places, tuple(status.table), status.info)

    return InspectionRun(conversation, createNodes)


def refSteps(nodes, transport) -> Steps:
    """Bring volumes to the backend; returns their VolumeRefs."""
    refs = []
    for node in nodes:
        refs.append((yield from uploadSteps(node, sharesFiles(transport.address))))
    return tuple(refs)


def mapName(point: int) -> str:
    """The file of a point's similarity map in the second volume."""
    return f"similarity-{point + 1}-1.nrrd"


def pointsOf(rows) -> list[list[float]]:
    """The points that the rows of an answer are about, in their order."""
    found = {row["point"]: [row[f"source_{axis}"] for axis in "ras"] for row in rows}
    return [found[number] for number in sorted(found)]


def middle(volumeNode) -> list[float]:
    """R, A, S of the middle of a volume, as it has them."""
    sides = volumeNode.GetImageData().GetDimensions()
    return [float(value) for value in (ijkToRas(volumeNode) @ [*((side - 1) / 2 for side in sides), 1.0])[:3]]
