"""Voxels of large volumes, written a few slices per event loop: all at once they would stop the GUI."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from MedSSLLib.steps import Pause, Steps

PIECE = 32 * 2**20  # bytes a loop


def fillSteps(volumeNode, array: np.ndarray, ijkToRas) -> Steps:
    """Give a new volume node its voxels, as a conversation that only pauses; the node changes once, at the end.

    Args:
        volumeNode: a vtkMRMLScalarVolumeNode.
        array: voxels, indexed [k, j, i], of any byte order.
        ijkToRas: a vtkMatrix4x4.
    """
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.AllocateScalars(get_vtk_array_type(array.dtype), 1)
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)
    depth = max(1, PIECE // max(1, array[0].nbytes))
    for start in range(0, len(array), depth):
        voxels[start : start + depth] = array[start : start + depth]
        yield Pause(0.0)
    modified = volumeNode.StartModify()
    volumeNode.SetIJKToRASMatrix(ijkToRas)
    volumeNode.SetAndObserveImageData(image)
    volumeNode.EndModify(modified)


def plainDisplay(volumeNode, window: float, level: float, colours: str = "") -> None:
    """A display node with this window and level; made before the voxels are there, it does not look at all of them.

    Args:
        colours: ID of a colour node; "": grey.
    """
    display = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(window, level)
    display.SetAndObserveColorNodeID(colours or "vtkMRMLColorTableNodeGrey")
    volumeNode.SetAndObserveDisplayNodeID(display.GetID())
