"""The layout of a preview: the samples above, their distortions below, in two slice views of their own."""

from __future__ import annotations

import slicer
from MedSSLLib.scene.sliceOffsets import holdOffsets, middleOffset

LAYOUT_ID = 4711
VIEWS = ("MedSSLSamples", "MedSSLDistortedSamples")
GROUP = '<property name="viewgroup" action="default">4711</property>'  # the user's own slice views do not follow
LAYOUT = f"""<layout type="vertical">
 <item><view class="vtkMRMLSliceNode" singletontag="MedSSLSamples"><property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">O</property><property name="viewcolor" action="default">#6B8FB5</property>{GROUP}</view></item>
 <item><view class="vtkMRMLSliceNode" singletontag="MedSSLDistortedSamples"><property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">D</property><property name="viewcolor" action="default">#D9A05B</property>{GROUP}</view></item>
</layout>"""


def registerPreviewLayout() -> None:
    """Make the layout known, at start-up already: a scene saved in it shows no views at all where it is unknown."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    node = manager.layoutLogic().GetLayoutNode()
    if node.IsLayoutDescription(LAYOUT_ID):
        return
    node.AddLayoutDescription(LAYOUT_ID, LAYOUT)
    if manager.layout == LAYOUT_ID:  # a scene in it was opened before; the same number again would change nothing
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        manager.setLayout(LAYOUT_ID)


def showInViews(nodes) -> None:
    """Show samples and distortions at the middle of the cubes, where what a method paints in and out can be seen.

    Args:
        nodes: the two volume nodes.
    """
    manager, offsets, composites = slicer.app.layoutManager(), {}, []
    for view, node in zip(VIEWS, nodes):
        widget = manager.sliceWidget(view)
        composite, sliceNode = widget.mrmlSliceCompositeNode(), widget.mrmlSliceNode()
        composite.SetLinkedControl(False)  # until both are where they belong
        composite.SetBackgroundVolumeID(node.GetID())
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
        sliceNode.RotateToVolumePlane(node)
        offsets[view] = middleOffset(sliceNode, node)
        composites.append(composite)
    holdOffsets(manager, offsets, lambda: [composite.SetLinkedControl(True) for composite in composites])
