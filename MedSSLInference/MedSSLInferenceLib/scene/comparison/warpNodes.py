"""A radiograph bent onto another: the transform node, and a copy of the radiograph below it."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from medssl.client.volumes import read_nrrd_bytes
from MedSSLInferenceLib.scene.comparison.radiographGroup import TRANSFORM, WARPED, RadiographGroup


def showWarp(group: RadiographGroup, source: int, target: int, displacement: bytes):
    """The nodes of a warp; those of an earlier one onto the same image are filled anew.

    Args:
        source, target: numbers of the image that is bent, and of the one that it is bent onto.
        displacement: displacement.nrrd of a WarpRequest's answer.

    Returns:
        The vtkMRMLGridTransformNode, and the vtkMRMLScalarVolumeNode with a copy of the source.
    """
    moving, fixed = group.images[source], group.images[target]
    names = {"source": moving.GetName(), "target": fixed.GetName()}
    transform = group.create("vtkMRMLGridTransformNode", _("{source} to {target}").format(**names), TRANSFORM, target)
    transform.SetAndObserveTransformFromParent(gridTransform(displacement))
    transform.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
    copy = group.create("vtkMRMLScalarVolumeNode", _("{source} onto {target}").format(**names), WARPED, target)
    slicer.util.updateVolumeFromArray(copy, np.array(slicer.util.arrayFromVolume(moving)))
    matrix = vtk.vtkMatrix4x4()
    moving.GetIJKToRASMatrix(matrix)
    copy.SetIJKToRASMatrix(matrix)
    copy.SetAndObserveTransformNodeID(transform.GetID())
    if copy.GetDisplayNode() is None:
        copy.CreateDefaultDisplayNodes()
    if moving.GetDisplayNode() is not None:
        copy.GetDisplayNode().SetAutoWindowLevel(False)
        copy.GetDisplayNode().SetWindowLevel(moving.GetDisplayNode().GetWindow(), moving.GetDisplayNode().GetLevel())
    return transform, copy


def gridTransform(displacement: bytes):
    """A vtkOrientedGridTransform of a displacement field in mm, which files hold in LPS and Slicer in RAS.

    It takes places of the target to those of the source, as a volume below the transform node needs it.
    """
    vectors, toRas = read_nrrd_bytes(displacement)  # (k, j, i, 3)
    spacing = np.linalg.norm(toRas[:3, :3], axis=0)
    grid, direction = vtk.vtkImageData(), vtk.vtkMatrix4x4()
    grid.SetDimensions(*vectors.shape[2::-1])
    grid.SetSpacing(*spacing)
    grid.SetOrigin(*toRas[:3, 3])
    ras = np.ascontiguousarray(vectors * (-1.0, -1.0, 1.0)).reshape(-1, 3)
    grid.GetPointData().SetScalars(numpy_to_vtk(ras, deep=True))
    for row in range(3):
        for column in range(3):
            direction.SetElement(row, column, toRas[row, column] / spacing[column])
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(grid)
    transform.SetGridDirectionMatrix(direction)
    transform.SetInterpolationModeToLinear()
    return transform
