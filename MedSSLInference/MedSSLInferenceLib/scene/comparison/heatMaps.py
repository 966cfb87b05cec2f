"""Similarity maps as volumes over the radiographs, updated in place while a point moves."""

from __future__ import annotations

import base64

import numpy as np
import slicer
from slicer.i18n import tr as _

from medssl.core.errors import MedSSLError
from MedSSLInferenceLib.scene.comparison.radiographGroup import HEAT, RadiographGroup
from MedSSLInferenceLib.scene.heatColours import heatColours
from MedSSLInferenceLib.scene.pixelGeometry import gridToRas

CLEAR = 75  # percentile of the similarities below which there is no heat


def showHeatMaps(group: RadiographGroup, maps, source: int) -> list:
    """A vtkMRMLScalarVolumeNode for every image but the source; existing ones get new values, no new nodes.

    Args:
        maps: of a SimilarityRequest's answer.
        source: number of the image that the point belongs to.
    """
    grids = {grid["image"]: gridValues(grid) for grid in maps if grid["image"] != source}
    if not grids:
        return []
    low = float(np.percentile(np.concatenate([values.ravel() for values in grids.values()]), CLEAR))
    high = max(max(float(values.max()) for values in grids.values()), low + 1e-6)
    return [_show(group, grid, grids[grid["image"]], (low, high)) for grid in maps if grid["image"] in grids]


def gridValues(grid) -> np.ndarray:
    """(rows, columns) float32 of a map as JSON carries it.

    Raises:
        MedSSLError: not as many values as announced.
    """
    values = np.frombuffer(base64.b64decode(grid["values"]), "<f4")
    if values.size != grid["rows"] * grid["columns"]:
        rule = _("holds {count} values instead of {rows} x {columns}").format(count=values.size, **_size(grid))
        raise MedSSLError(_("heat map"), rule, _("Use the backend that came with this extension"))
    return values.reshape(grid["rows"], grid["columns"]).astype(np.float32)


def _size(grid) -> dict[str, int]:
    return {"rows": grid["rows"], "columns": grid["columns"]}


def _show(group: RadiographGroup, grid, values: np.ndarray, extent: tuple[float, float]):
    number = grid["image"]
    image = group.images[number]
    name = _("{image} similarity").format(image=image.GetName())
    node = group.create("vtkMRMLScalarVolumeNode", name, HEAT, number)
    slicer.util.updateVolumeFromArray(node, values[None])
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(gridToRas(image, grid["origin"], grid["step"])))
    node.SetAndObserveTransformNodeID(image.GetTransformNodeID())
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAndObserveColorNodeID(heatColours())
        node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(*extent)
    return node
