"""A markups ROI as voxel ranges of a volume."""

from __future__ import annotations

import itertools
import math

import numpy as np
import slicer
import vtk
from MedSSLLib.scene.volumeExport import ijkToRas
from slicer.i18n import tr as _

from medssl.core.errors import InputError

Bounds = tuple  # ((i0, i1), (j0, j1), (k0, k1)), half open
SMALLEST = (64, 64, 32)  # voxels along i, j, k: what a model sees at once


def hasExtent(roiNode) -> bool:
    """Whether there is anything inside a ROI: one that was added but never drawn has no size."""
    return min(roiNode.GetSize()) > 0


def placeInMiddle(roiNode, volumeNode) -> None:
    """Give a ROI the middle half of a volume along each axis, in the volume's directions, and handles to change it by."""
    half = np.array(volumeNode.GetImageData().GetDimensions()) / 2
    matrix = ijkToRas(volumeNode)
    sides = np.linalg.norm(matrix[:3, :3], axis=0)
    frame = np.eye(4)
    frame[:3, :3] = matrix[:3, :3] / sides
    frame[:3, 3] = (matrix @ [*(half - 0.5), 1.0])[:3]
    roiNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    roiNode.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(frame))
    roiNode.SetSize(*(half * sides))
    roiNode.CreateDefaultDisplayNodes()
    roiNode.GetDisplayNode().SetHandlesInteractive(True)


def ijkBounds(roiNode, volumeNode, smallest: tuple[int, int, int] = SMALLEST) -> Bounds:
    """The voxels of `volumeNode` whose centres lie in the bounding box of `roiNode`, grown to a model's sub-volume where it is smaller.

    Args:
        roiNode: a vtkMRMLMarkupsROINode, possibly rotated or transformed against the volume.
        volumeNode: a vtkMRMLScalarVolumeNode.
        smallest: least number of voxels along i, j, k, as far as the volume has so many.

    Returns:
        ((i0, i1), (j0, j1), (k0, k1)), half open, inside the volume.

    Raises:
        InputError: the ROI has no extent, or lies outside the volume.
    """
    if not hasExtent(roiNode):
        raise InputError(
            roiNode.GetName(),
            _("is {size} mm large, with no voxel inside").format(
                size=" x ".join(f"{side:g}" for side in roiNode.GetSize())
            ),
            _("Draw it, or choose Create new ROI, which takes the middle of the volume"),
            code="roi-empty",
        )
    corners = _cornersInIjk(roiNode, volumeNode)
    shape = volumeNode.GetImageData().GetDimensions()
    first, last = np.ceil(corners.min(axis=0) - 1e-6), np.floor(corners.max(axis=0) + 1e-6)
    if any(last[axis] < 0 or first[axis] >= shape[axis] for axis in range(3)):
        raise InputError(
            roiNode.GetName(),
            _("lies outside the volume {name}").format(name=volumeNode.GetName()),
            _("Move the ROI into the volume"),
            code="roi-outside",
        )
    return tuple(_axisRange(first[n], last[n] + 1, shape[n], smallest[n]) for n in range(3))


def _axisRange(start: float, stop: float, size: int, least: int) -> tuple[int, int]:
    start, stop = max(0, int(start)), min(size, int(stop))
    least = min(least, size)
    if stop - start < least:
        start = min(max(0, math.floor((start + stop - least) / 2)), size - least)
        stop = start + least
    return start, stop


def _cornersInIjk(roiNode, volumeNode) -> np.ndarray:
    """The eight corners of the ROI in voxel coordinates of the volume, shape (8, 3)."""
    worldToVolume = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, volumeNode.GetParentTransformNode(), worldToVolume)
    rasToIjk = vtk.vtkMatrix4x4()
    volumeNode.GetRASToIJKMatrix(rasToIjk)
    objectToWorld = roiNode.GetObjectToWorldMatrix()
    size = roiNode.GetSize()
    corners = []
    for signs in itertools.product((-0.5, 0.5), repeat=3):
        local = [sign * side for sign, side in zip(signs, size)]
        ras = worldToVolume.TransformPoint(objectToWorld.MultiplyPoint([*local, 1.0])[:3])
        corners.append(rasToIjk.MultiplyPoint([*ras, 1.0])[:3])
    return np.array(corners)
