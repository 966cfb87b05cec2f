"""Which slice of a volume the red view shows: also of volumes under transforms; oblique views show none."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from MedSSLInferenceLib.runs.radiographImages import Picture, createPlane, redSlice
from MedSSLLib.scene.dicomSeries import MODALITY
from refusals import refused
from scaffold import phantoms

from medssl.client.volumes import nrrd_bytes


@pytest.fixture
def ct(scene):
    return phantoms.volume("ct", (64, 48, 56), oblique=True)


@pytest.fixture
def red(ct):
    view = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    view.RotateToVolumePlane(ct)
    return view


def look(red, place) -> None:
    red.JumpSliceByCentering(*[float(one) for one in place[:3]])


def test_a_volume_under_a_transform_is_seen_where_it_lies(ct, red):
    look(red, phantoms.ijk_to_ras(ct) @ [30, 20, 17, 1])
    assert redSlice(ct) == "k:17"
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    along = phantoms.ijk_to_ras(ct) @ [0, 0, 5, 0]  # five slices
    matrix = np.eye(4)
    matrix[:3, 3] = along[:3]
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    ct.SetAndObserveTransformNodeID(transform.GetID())
    assert redSlice(ct) == "k:12"


def test_an_oblique_view_shows_no_slice(ct, red):
    turn = np.array([[1, 0, 0], [0, np.cos(0.5), -np.sin(0.5)], [0, np.sin(0.5), np.cos(0.5)]])
    matrix = slicer.util.arrayFromVTKMatrix(red.GetSliceToRAS())
    matrix[:3, :3] = turn @ matrix[:3, :3]
    red.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(matrix))
    red.UpdateMatrices()
    with refused("view-oblique", names="ct"):
        redSlice(ct)


def test_a_transform_that_bends_is_refused(ct, red):
    look(red, phantoms.ijk_to_ras(ct) @ [30, 20, 17, 1])
    bending = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    spline = vtk.vtkThinPlateSplineTransform()
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for n, place in enumerate(((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (50, 50, 50))):
        points.InsertNextPoint(place)
        moved.InsertNextPoint([one + 9 * (n == 4) for one in place])
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    bending.SetAndObserveTransformToParent(spline)
    ct.SetAndObserveTransformNodeID(bending.GetID())
    with refused("transform-bends", names="ct"):
        redSlice(ct)


def test_a_slice_is_of_the_modality_that_dicom_says(ct):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(ct) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), ct)
    hierarchy.SetItemAttribute(item, MODALITY, "MR")
    plane = createPlane(Picture(ct, "k:3"), nrrd_bytes(np.zeros((1, 48, 64), np.int16), np.eye(4)))
    assert plane.GetAttribute("MedSSL.Modality") == "MR"
