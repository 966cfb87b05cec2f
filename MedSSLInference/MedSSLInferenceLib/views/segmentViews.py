"""A segmentation on the screen: over its volume in the slice views, and in Slicer's own editor."""

from __future__ import annotations

import slicer
from MedSSLLib.scene.sliceOffsets import holdOffsets, middleOffset

from MedSSLInferenceLib.scene.overlayViews import bindOverlays
from MedSSLInferenceLib.views.layouts import descriptions
from MedSSLInferenceLib.views.radiographLayout import sliceNames

UNSURE_OPACITY = 0.6  # of the uncertainty map over the volume


def showSegmented(volumeNode, layoutManager, uncertainty=None) -> None:
    """Put the volume behind its segmentation in every slice view that is shown.

    Args:
        uncertainty: the map that lies between them, or None.
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
    """
    offsets = {}
    if layoutManager is not None and layoutManager.layout in descriptions():  # those views are for other results
        layoutManager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    for name in sliceNames(layoutManager):
        widget = layoutManager.sliceWidget(name)
        composite = widget.mrmlSliceCompositeNode()
        if composite.GetBackgroundVolumeID() != volumeNode.GetID():
            composite.SetBackgroundVolumeID(volumeNode.GetID())
            composite.SetForegroundVolumeID(None)
            composite.SetLabelVolumeID(None)
            offsets[name] = middleOffset(widget.mrmlSliceNode(), volumeNode)
        if uncertainty is not None:
            composite.SetForegroundVolumeID(uncertainty.GetID())
            composite.SetForegroundOpacity(UNSURE_OPACITY)
    bindOverlays()
    if offsets:
        holdOffsets(layoutManager, offsets)


def openSegmentEditor(segmentationNode, volumeNode) -> None:
    """Switch to the module Segment Editor, with a segmentation and the volume it was made of chosen there.

    Raises:
        RuntimeError: Slicer runs without a main window.
    """
    slicer.util.selectModule("SegmentEditor")  # first: on entering it chooses nodes by itself
    editor = slicer.util.getModuleWidget("SegmentEditor").editor
    editor.setSegmentationNode(segmentationNode)
    editor.setSourceVolumeNode(volumeNode)
    showSegmented(volumeNode, slicer.app.layoutManager())  # the nodes it chose were another patient's: so are the views
