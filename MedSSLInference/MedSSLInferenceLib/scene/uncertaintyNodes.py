"""How unsure a segmentation is, as a heat map over its volume: a result of its own, shown and hidden for itself."""

from __future__ import annotations

import numpy as np
import slicer
from MedSSLLib.scene.volumeExport import ijkToRas
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from medssl.core.errors import MedSSLError
from MedSSLInferenceLib.scene.folders import folderOf, placeInFolder
from MedSSLInferenceLib.scene.heatColours import heatColours
from MedSSLInferenceLib.scene.overlayViews import SOURCE
from MedSSLInferenceLib.scene.results import UNCERTAINTY, mark

MAP = "MedSSL.uncertainty"  # attribute of the map, and of its segmentation the reference to it
SURE = 0.1  # below it the image is left clear


def createUncertainty(segmentationNode, volumeNode, model: str, data: bytes):
    """Make the map of a segmentation that has just been made, as a new volume beside it.

    Args:
        segmentationNode: gets a reference to the map.
        volumeNode: what was segmented; it stays as it is.
        model: what was asked.
        data: NRRD bytes of the map, 0 (sure) to 1, of the volume's size.

    Returns:
        A vtkMRMLScalarVolumeNode.

    Raises:
        MedSSLError: a map of another size than the volume's.
    """
    values = read_nrrd_bytes(data)[0]
    size = volumeNode.GetImageData().GetDimensions()
    if values.size != np.prod(size):
        rule = _("holds {count} values instead of {size}").format(count=values.size, size=" x ".join(map(str, size)))
        raise MedSSLError(_("uncertainty map"), rule, _("Use the backend that came with this extension"))
    name = slicer.mrmlScene.GenerateUniqueName(_("{name} uncertainty").format(name=segmentationNode.GetName()))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAttribute(MAP, "1")
    node.SetNodeReferenceID(SOURCE, volumeNode.GetID())
    node.SetAttribute("MedSSL.model", model)
    slicer.util.updateVolumeFromArray(node, values.reshape(size[::-1]).astype(np.float32))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas(volumeNode)))
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    node.SetDescription(_("0 where the model is sure, 1 where it takes all classes for equally likely"))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(heatColours())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(SURE, 1.0)
    segmentationNode.SetNodeReferenceID(MAP, node.GetID())
    folder = folderOf(volumeNode)
    if folder:
        placeInFolder(node, folder)
    mark({"map": node}, UNCERTAINTY, [volumeNode])
    return node
