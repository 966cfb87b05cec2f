"""Comparisons of radiographs as runs: 2D images made, everything sent, one question asked, nodes made of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.scene.volumeExport import uploadSteps
from MedSSLLib.steps import Pause, Steps, fileSteps, resultSteps
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import InputError
from medssl.core.requests import CorrespondRequest, CosegmentRequest, PatchmapRequest, SimilarityRequest, WarpRequest
from MedSSLInferenceLib.runs.inspectionRun import InspectionRun
from MedSSLInferenceLib.runs.radiographImages import pictures, planeSteps
from MedSSLInferenceLib.scene.clearing import removeNode
from MedSSLInferenceLib.scene.comparison.heatMaps import showHeatMaps
from MedSSLInferenceLib.scene.comparison.partSegmentations import partSteps
from MedSSLInferenceLib.scene.comparison.patchMapNodes import patchMapSteps
from MedSSLInferenceLib.scene.comparison.pointLists import movePoint, pointListSteps, showMatch
from MedSSLInferenceLib.scene.comparison.radiographGroup import (
    CHART,
    FIND,
    HEAT,
    MATCH,
    PART_TABLE,
    PARTS,
    PATCHES,
    POINTS,
    TABLE,
    WARPED,
    RadiographGroup,
    groupOf,
)
from MedSSLInferenceLib.scene.comparison.searchCircles import showCircles
from MedSSLInferenceLib.scene.comparison.warpNodes import showWarp
from MedSSLInferenceLib.scene.pixelGeometry import insideImage, middle, pixelsToWorld, worldToPixel
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.results import revealKind

LIVE_WAIT_S = 2.0  # how long the server may keep a question about one point before it answers "later"
LIVE_POLL_S = 0.1


@dataclass(frozen=True)
class Correspondence:
    """Places of equal anatomy."""

    group: RadiographGroup
    lists: list  # a vtkMRMLMarkupsFiducialNode per image: equal labels are equal anatomy
    tableNode: Any
    table: tuple[dict[str, Any], ...]
    info: dict[str, Any]


@dataclass(frozen=True)
class Similarity:
    """Where in the other images is what lies at a point of one?"""

    group: RadiographGroup
    heatMaps: list  # a vtkMRMLScalarVolumeNode per image but the source
    matches: list  # a vtkMRMLMarkupsFiducialNode per image but the source: best place, runner-up
    table: tuple[dict[str, Any], ...]
    info: dict[str, Any]


@dataclass(frozen=True)
class Warped:
    """The first image bent onto another one."""

    group: RadiographGroup
    transform: Any  # vtkMRMLGridTransformNode
    copy: Any  # vtkMRMLScalarVolumeNode: the first image's voxels below the transform
    table: tuple[dict[str, Any], ...]
    info: dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """Anatomical parts that the images share."""

    group: RadiographGroup
    segmentations: list  # a vtkMRMLSegmentationNode per image
    tableNode: Any
    table: tuple[dict[str, Any], ...]
    info: dict[str, Any]


@dataclass(frozen=True)
class PatchMap:
    """Patches of all images in a plane; those of equal descriptors lie together."""

    group: RadiographGroup
    tableNode: Any  # a row per patch
    series: list  # vtkMRMLPlotSeriesNodes
    chart: Any  # vtkMRMLPlotChartNode
    table: tuple[dict[str, Any], ...]
    info: dict[str, Any]


def correspondRun(
    nodes, model: str, view: str = "", onProgress: Callable = lambda *_: None, **options
) -> InspectionRun:
    """Its nodes are a Correspondence; `options` are further fields of CorrespondRequest: count, dense, seed, ..."""

    def create(group, status, _files) -> Steps:
        lists = yield from pointListSteps(group, status.table)
        revealKind(group, POINTS)
        return Correspondence(group, lists, group.get(TABLE), status.table, status.info)

    def ask(refs, _images):
        return api.correspond(CorrespondRequest(refs, model, **options))

    return _run(nodes, model, view, ask, create, onProgress)


def similarityRun(
    nodes, model: str, source, pointRas, view: str = "", onProgress: Callable = lambda *_: None, **options
) -> InspectionRun:
    """Its nodes are a Similarity.

    Args:
        source: number of the node that the point belongs to, or the node itself.
        pointRas: R, A, S in mm, in the world, on the 2D image that is compared; None: the middle of the image.
        options: further fields of SimilarityRequest.
    """
    nodes = list(nodes)
    number = source if isinstance(source, int) else nodes.index(source)

    def ask(refs, images):
        x, y = middle(images[number]) if pointRas is None else pixelInside(images[number], pointRas)
        return api.similarity(SimilarityRequest(refs, model, x, y, source=number, **options), LIVE_WAIT_S)

    def create(group, status, _files) -> Steps:
        image = group.images[number]
        movePoint(group, number, pixelsToWorld(image, [middle(image)])[0] if pointRas is None else pointRas)
        yield Pause(0.0)
        found = showSimilarity(group, number, status)
        revealKind(group, FIND)
        return found

    return _run(nodes, model, view, ask, create, onProgress)


def warpRun(
    nodes, model: str, target: int = 1, view: str = "", onProgress: Callable = lambda *_: None, **options
) -> InspectionRun:
    """Bend the first image onto the one with the number `target`; its nodes are a Warped.

    `options` are further fields of WarpRequest: points, stiffness, search_radius, refine, ...
    """

    def ask(refs, _images):
        return api.warp(WarpRequest((refs[0], refs[target]), model, **options))

    def create(group, status, files) -> Steps:
        yield Pause(0.0)
        transform, copy = showWarp(group, 0, target, files["displacement"])
        revealKind(group, WARPED)
        return Warped(group, transform, copy, status.table, status.info)

    return _run(nodes, model, view, ask, create, onProgress)


def cosegmentRun(nodes, model: str, view: str = "", onProgress: Callable = lambda *_: None, **options) -> InspectionRun:
    """Its nodes are Parts; `options` are further fields of CosegmentRequest: parts, dense, seed, ..."""

    def create(group, status, files) -> Steps:
        maps = [files[f"segmentation-{number}"] for number in range(len(group.images))]
        segmentations = yield from partSteps(group, status.table, maps)
        revealKind(group, PARTS)
        return Parts(group, segmentations, group.get(PART_TABLE), status.table, status.info)

    def ask(refs, _images):
        return api.cosegment(CosegmentRequest(refs, model, **options))

    return _run(nodes, model, view, ask, create, onProgress)


def patchmapRun(nodes, model: str, view: str = "", onProgress: Callable = lambda *_: None, **options) -> InspectionRun:
    """Its nodes are a PatchMap; `options` are further fields of PatchmapRequest: method, dense, perplexity, ..."""

    def create(group, status, _files) -> Steps:
        series = yield from patchMapSteps(group, status.table)
        revealKind(group, CHART)
        return PatchMap(group, group.get(PATCHES), series, group.get(CHART), status.table, status.info)

    def ask(refs, _images):
        return api.patchmap(PatchmapRequest(refs, model, **options))

    return _run(nodes, model, view, ask, create, onProgress)


def showSimilarity(group: RadiographGroup, source: int, status) -> Similarity:
    """Heat maps and matches of an answered question, in place; those that the source got from another one go."""
    for stale in (group.get(HEAT, source), group.get(MATCH, source)):
        if stale is not None:
            removeNode(stale)
    heatMaps = showHeatMaps(group, status.info["maps"], source)
    showCircles(group, status.info.get("circles", ()), source)
    matches = [showMatch(group, row["image"], row) for row in status.table if row["image"] != source]
    return Similarity(group, heatMaps, matches, status.table, status.info)


def refSteps(images, transport) -> Steps:
    """Bring 2D images to the backend; returns their VolumeRefs."""
    refs = []
    for image in images:
        refs.append((yield from uploadSteps(image, sharesFiles(transport.address))))
    return tuple(refs)


def pixelInside(image, pointRas) -> tuple[float, float]:
    """The pixel of an image at a place of the world.

    Raises:
        InputError: it lies outside the image.
    """
    pixel = worldToPixel(image, pointRas)
    if not insideImage(image, pixel):
        name = _("point ({x:.0f}, {y:.0f})").format(x=pixel[0], y=pixel[1])
        rule = _("lies outside {image}").format(image=image.GetName())
        raise InputError(name, rule, _("Move the point onto the radiograph"), code="point-outside")
    return pixel


def _run(nodes, model: str, view: str, ask: Callable, create: Callable, onProgress: Callable) -> InspectionRun:
    """One comparison: `ask(refs, images)` makes the call, the steps of `create(group, status, files)` the nodes of its answer."""
    chosen = pictures(nodes, view)

    def conversation(transport, stopped) -> Steps:
        images = []
        for picture in chosen:
            images.append((yield from planeSteps(picture, transport, stopped, onProgress)))
        onProgress(0.0, _("Sending the radiographs"))
        refs = yield from refSteps(images, transport)
        status = yield from resultSteps((yield ask(refs, images)), stopped, onProgress)
        return images, status, (yield from fileSteps(status, ".nrrd"))

    def createNodes(value) -> Steps:
        images, status, files = value
        requirePresent(images, _("Load it and compare again"))
        group = groupOf(images)
        group.node.SetAttribute("MedSSL.model", model)
        before = group.results()
        try:
            return (yield from create(group, status, files))
        except BaseException:  # GeneratorExit too: nobody waits for it any more
            for node in [node for node in group.results() if node not in before]:
                removeNode(node)
            if group.node.GetScene() is not None and group.empty:
                slicer.mrmlScene.RemoveNode(group.node)
            raise

    return InspectionRun(conversation, createNodes)
