"""Preview samples (sub-volumes, or crops of radiographs) and their distortions as two volume nodes, side by side in slice views."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes

LAYOUT_ID = 4711
VIEWS = ("MedSSLOriginal", "MedSSLDistorted")
GROUP = '<property name="viewgroup" action="default">4711</property>'  # the user's own slice views do not follow
LAYOUT = f"""<layout type="vertical">
 <item><view class="vtkMRMLSliceNode" singletontag="MedSSLOriginal"><property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">O</property><property name="viewcolor" action="default">#6B8FB5</property>{GROUP}</view></item>
 <item><view class="vtkMRMLSliceNode" singletontag="MedSSLDistorted"><property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">D</property><property name="viewcolor" action="default">#D9A05B</property>{GROUP}</view></item>
</layout>"""


def showPreview(files: dict[str, bytes], previous: tuple = ()) -> tuple:
    """Make the two nodes, remove those of the preview before, show them; returns (original, distorted).

    Args:
        files: NRRD bytes under "original" and "distorted": sub-volumes, or crops of radiographs, side by side along i.
        previous: nodes of the last preview.
    """
    for node in previous:
        if slicer.mrmlScene.IsNodePresent(node):
            slicer.mrmlScene.RemoveNode(node)
    original = _node(files["original"], _("Preview: samples"))
    distorted = _node(files["distorted"], _("Preview: distorted"))
    low, high = original.GetImageData().GetScalarRange()
    for node in (original, distorted):
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevelMinMax(low, high)
    if slicer.app.layoutManager() is not None:
        _showInViews(original, distorted)
    return original, distorted


def _node(data: bytes, name: str):
    array, ijkToRas = read_nrrd_bytes(data)
    if array.ndim == 2:  # crops of radiographs, rows down: Slicer's axial view shows that with i to L and j to P
        array, ijkToRas = array[None], np.diag([-1.0, -1.0, 1.0, 1.0])
    matrix = slicer.util.vtkMatrixFromArray(ijkToRas)
    node = slicer.util.addVolumeFromArray(array, ijkToRAS=matrix, name=slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.SetSaveWithScene(False)
    return node


def _showInViews(original, distorted) -> None:
    manager = slicer.app.layoutManager()
    layoutNode = manager.layoutLogic().GetLayoutNode()
    if not layoutNode.IsLayoutDescription(LAYOUT_ID):
        layoutNode.AddLayoutDescription(LAYOUT_ID, LAYOUT)
    manager.setLayout(LAYOUT_ID)
    for view, node in zip(VIEWS, (original, distorted)):
        widget = manager.sliceWidget(view)
        composite = widget.sliceLogic().GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(node.GetID())
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
        composite.SetLinkedControl(True)
        widget.mrmlSliceNode().RotateToVolumePlane(node)
        widget.sliceLogic().FitSliceToBackground()
