"""Preview samples (sub-volumes, or crops of radiographs) and their distortions as two volume nodes, side by side in slice views."""

from __future__ import annotations

import numpy as np
import slicer
from MedSSLLib.scene.madeNodes import PREVIEW
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from MedSSLPretrainLib.views.previewLayout import LAYOUT_ID, registerPreviewLayout, showInViews

ORIGINAL, DISTORTED = "original", "distorted"


def previewNodeSteps(files: dict[str, bytes]) -> Steps:
    """Show a preview in place of the one before; returns its nodes (original, distorted).

    Args:
        files: NRRD bytes by ORIGINAL and DISTORTED: sub-volumes, or crops of radiographs, side by side along i.
    """
    titles = {ORIGINAL: _("Preview: samples"), DISTORTED: _("Preview: distorted")}
    nodes = []
    for key, title in titles.items():
        nodes.append(_keep(key, title, files[key]))
        yield Pause(0.0)  # each on its own: together they would be felt
    low, high = nodes[0].GetImageData().GetScalarRange()
    for node in nodes:
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevelMinMax(low, high)
    if slicer.app.layoutManager() is not None:
        registerPreviewLayout()
        slicer.app.layoutManager().setLayout(LAYOUT_ID)
        yield Pause(0.0)
        showInViews(nodes)
    return tuple(nodes)


def previewNode(key: str):
    """The scene's preview node: ORIGINAL or DISTORTED; None: there is none."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return next((node for node in nodes if node.GetAttribute(PREVIEW) == key), None)


def _keep(key: str, title: str, data: bytes):
    array, ijkToRas = read_nrrd_bytes(data)
    if array.ndim == 2:  # crops of radiographs, rows down: Slicer's axial view shows that with i to L and j to P
        array, ijkToRas = array[None], np.diag([-1.0, -1.0, 1.0, 1.0])
    node = previewNode(key)
    isNew = node is None
    if isNew:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
        node.UnRegister(None)
        node.SetName(title)
        node.SetAttribute(PREVIEW, key)  # before it is in the scene: it is no volume of the user's
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    if isNew:
        slicer.mrmlScene.AddNode(node)
        node.CreateDefaultDisplayNodes()
    return node
