"""A restoration's result files as nodes beside the source volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from MedSSLLib.scene.voxelSteps import fillSteps, plainDisplay
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from MedSSLInferenceLib.scene.clearing import removeNode
from MedSSLInferenceLib.scene.folders import createFolder, folderName, folderOf, placeInFolder
from MedSSLInferenceLib.scene.heatColours import errorColours
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.results import RESTORATION, Result, mark
from MedSSLInferenceLib.scene.tableNodes import createTable, rowsOf

IMAGES = ("original", "distorted", "restored", "error")
ERROR_PERCENTILE = 99.5  # of the error's voxels: the brightest colour
SEEN = 500_000  # voxels that are looked at to find it


@dataclass(frozen=True)
class Restoration:
    """What a restoration leaves in the scene."""

    original: Any  # vtkMRMLScalarVolumeNode, as are the next three; images in the source's units
    distorted: Any
    restored: Any
    error: Any  # |restored - original| on the model's scale, where its intensity window is 0...1
    tableNode: Any  # vtkMRMLTableNode
    table: tuple[dict[str, Any], ...]  # the same numbers: a row per image
    info: dict[str, Any]  # model, distortion as drawn, window
    folderItem: int  # subject hierarchy item that holds them
    folderName: str


def imageTitles() -> dict[str, str]:
    """What each image of a restoration is called."""
    return {
        "original": _("Original"),
        "distorted": _("Distorted"),
        "restored": _("Restored"),
        "error": _("Error"),
    }


def restorationSteps(sourceNode, request, result, files: dict[str, bytes]) -> Steps:
    """Make four volume nodes and a metrics table in a new folder beside `sourceNode`, which stays as it is.

    A conversation that only pauses, since a whole CT's voxels take their time; ended early it leaves nothing behind.

    Args:
        sourceNode: the vtkMRMLScalarVolumeNode that was restored.
        request: the RestoreRequest; its `roi` places the results inside the source.
        result: the ResultStatus, with table and info.
        files: NRRD bytes under "original", "distorted", "restored", "error".

    Returns:
        A Restoration.
    """
    voxels = {key: read_nrrd_bytes(files[key], copy=False)[0] for key in IMAGES}  # all before: one may be damaged
    nodes: dict[str, Any] = {}
    try:
        windows = _windows(sourceNode, voxels, result.info.get("window"))
        for key in IMAGES:
            nodes[key] = _newVolume(sourceNode, key)
            plainDisplay(nodes[key], *windows[key], colours=errorColours() if key == "error" else "")
            yield Pause(0.0)
            yield from fillSteps(nodes[key], voxels[key], regionGeometry(sourceNode, request.roi))
            requirePresent([sourceNode, *nodes.values()], _("Load it and restore it again"))
        nodes["table"] = createTable(result.table, _("{name} restoration metrics").format(name=sourceNode.GetName()))
    except BaseException:  # GeneratorExit too: nobody waits for it any more
        for node in nodes.values():
            removeNode(node)
        raise
    return _completed(sourceNode, nodes, request, result)


def _completed(sourceNode, nodes: dict[str, Any], request, result) -> Restoration:
    folder = createFolder(_("Restoration of {name}").format(name=sourceNode.GetName()), sourceNode)
    for node in nodes.values():
        placeInFolder(node, folder)
        _describe(node, sourceNode, request, result)
    mark(nodes, RESTORATION, [sourceNode])
    table = nodes.pop("table")
    return Restoration(
        **nodes, tableNode=table, table=tuple(result.table), info=result.info,
        folderItem=folder, folderName=folderName(folder),
    )  # fmt: skip


def restorationOf(result: Result) -> Restoration:
    """A restoration of the scene, such as one that was loaded with it."""
    table, folder = result.node("table"), folderOf(result.nodes[0])
    rows = tuple(rowsOf(table)) if table is not None else ()
    images = {key: result.node(key) for key in IMAGES}
    return Restoration(**images, tableNode=table, table=rows, info={}, folderItem=folder,
                       folderName=folderName(folder) if folder else "")  # fmt: skip


def _newVolume(sourceNode, key: str):
    name = _("{name} {image}").format(name=sourceNode.GetName(), image=imageTitles()[key].lower())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAndObserveTransformNodeID(sourceNode.GetTransformNodeID())
    return node


def regionGeometry(sourceNode, roi) -> vtk.vtkMatrix4x4:
    """IJK-to-RAS of a region: the source's own, its origin moved to the region's first voxel."""
    matrix = vtk.vtkMatrix4x4()
    sourceNode.GetIJKToRASMatrix(matrix)
    first = [bounds[0] for bounds in roi] if roi else [0, 0, 0]
    for row, value in enumerate(matrix.MultiplyPoint([*first, 1.0])[:3]):
        matrix.SetElement(row, 3, value)
    return matrix


def _windows(sourceNode, voxels: dict[str, Any], window) -> dict[str, tuple[float, float]]:
    """Window and level: the source's own for the three images, so that they compare; the error's from 0."""
    display = sourceNode.GetDisplayNode()
    if display is not None:
        shown = display.GetWindow(), display.GetLevel()
    else:
        low, high = window or (float(voxels["original"].min()), float(voxels["original"].max()))
        shown = high - low, (high + low) / 2
    top = _errorRange(voxels["error"])
    return {"original": shown, "distorted": shown, "restored": shown, "error": (top, top / 2)}


def _errorRange(error: np.ndarray) -> float:
    step = max(1, math.ceil((error.size / SEEN) ** (1 / 3)))
    return max(float(np.percentile(error[::step, ::step, ::step], ERROR_PERCENTILE)), 1e-6)


def _describe(node, sourceNode, request, result) -> None:
    """Attributes that are saved with the scene: a reader knows later where the node comes from."""
    node.SetNodeReferenceID("MedSSL.source", sourceNode.GetID())
    facts = {
        "model": result.info.get("model", request.model),
        "distortion": request.distortion,
        "strength": request.strength,
        "seed": request.seed,
    }
    for row in result.table:
        facts.update({f"{row['image']}.{name}": value for name, value in row.items() if name != "image"})
    for name, value in facts.items():
        node.SetAttribute(f"MedSSL.{name}", str(value))
