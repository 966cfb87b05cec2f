"""A restoration's result files as nodes beside the source volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from MedSSLInferenceLib.scene.folders import createFolder, folderName, placeInFolder
from MedSSLInferenceLib.scene.heatColours import errorColours
from MedSSLInferenceLib.scene.tableNodes import createTable

IMAGES = ("original", "distorted", "restored", "error")
ERROR_PERCENTILE = 99.5  # of the error's voxels: the brightest colour


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


def createRestoration(sourceNode, request, result, files: dict[str, bytes]) -> Restoration:
    """Make four volume nodes and a metrics table in a new folder beside `sourceNode`, which stays as it is.

    Args:
        sourceNode: the vtkMRMLScalarVolumeNode that was restored.
        request: the RestoreRequest; its `roi` places the results inside the source.
        result: the ResultStatus, with table and info.
        files: NRRD bytes under "original", "distorted", "restored", "error".
    """
    voxels = {key: read_nrrd_bytes(files[key])[0] for key in IMAGES}  # all before the scene changes: one may be damaged
    folder = createFolder(_("Restoration of {name}").format(name=sourceNode.GetName()), sourceNode)
    nodes = {key: _createVolume(sourceNode, key, voxels[key], request.roi) for key in IMAGES}
    tableNode = createTable(result.table, _("{name} restoration metrics").format(name=sourceNode.GetName()))
    _setDisplay(sourceNode, nodes, result.info.get("window"))
    for node in (*nodes.values(), tableNode):
        placeInFolder(node, folder)
        _describe(node, sourceNode, request, result)
    return Restoration(
        **nodes, tableNode=tableNode, table=tuple(result.table), info=result.info,
        folderItem=folder, folderName=folderName(folder),
    )  # fmt: skip


def _createVolume(sourceNode, key: str, voxels: np.ndarray, roi):
    name = _("{name} {image}").format(name=sourceNode.GetName(), image=imageTitles()[key].lower())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    slicer.util.updateVolumeFromArray(node, voxels)
    node.SetIJKToRASMatrix(regionGeometry(sourceNode, roi))
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


def _setDisplay(sourceNode, nodes: dict[str, Any], window) -> None:
    """The source's window and level for the three images, so that they compare; a colour map for the error."""
    for node in nodes.values():
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAutoWindowLevel(False)
    sourceDisplay = sourceNode.GetDisplayNode()
    if sourceDisplay is not None:
        width, level = sourceDisplay.GetWindow(), sourceDisplay.GetLevel()
    else:
        low, high = window or nodes["original"].GetImageData().GetScalarRange()
        width, level = high - low, (high + low) / 2
    for key in ("original", "distorted", "restored"):
        nodes[key].GetDisplayNode().SetWindowLevel(width, level)
    top = _errorRange(nodes)
    nodes["error"].GetDisplayNode().SetWindowLevel(top, top / 2)
    nodes["error"].GetDisplayNode().SetAndObserveColorNodeID(errorColours())


def _errorRange(nodes: dict[str, Any]) -> float:
    error = slicer.util.arrayFromVolume(nodes["error"])
    return max(float(np.percentile(error[::2, ::2, ::2], ERROR_PERCENTILE)), 1e-6)


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
