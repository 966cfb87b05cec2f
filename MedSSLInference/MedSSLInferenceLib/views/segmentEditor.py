"""Slicer's own editor of segmentations."""

from __future__ import annotations

import slicer


def openSegmentEditor(segmentationNode, volumeNode) -> None:
    """Switch to the module Segment Editor, with a segmentation and the volume it was made of chosen there.

    Raises:
        RuntimeError: Slicer runs without a main window.
    """
    slicer.util.selectModule("SegmentEditor")  # first: on entering it chooses nodes by itself
    editor = slicer.util.getModuleWidget("SegmentEditor").editor
    editor.setSegmentationNode(segmentationNode)
    editor.setSourceVolumeNode(volumeNode)
