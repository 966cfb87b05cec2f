"""Voxels that are written a few slices per event loop, and display nodes that do not look at all of them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from scaffold import phantoms


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "large")


@pytest.mark.parametrize("kind", ["<i2", ">i2", "<f4", "|u1"])
def test_the_voxels_come_in_pieces_and_the_node_changes_once(node, monkeypatch, kind):
    from MedSSLLib.scene import voxelSteps

    array = np.arange(7 * 6 * 5, dtype=kind).reshape(7, 6, 5) % 100
    monkeypatch.setattr(voxelSteps, "PIECE", 2 * array[0].nbytes)
    changes = []
    node.AddObserver(node.ImageDataModifiedEvent, lambda *_: changes.append("voxels"))
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: changes.append("node"))
    matrix = slicer.util.vtkMatrixFromArray(phantoms.geometry(False))
    pauses = list(voxelSteps.fillSteps(node, array.astype(kind), matrix))
    assert len(pauses) == 4, "seven slices, two an event loop"
    assert np.array_equal(slicer.util.arrayFromVolume(node), array)
    assert np.array_equal(phantoms.ijk_to_ras(node), phantoms.geometry(False))
    assert changes.count("node") <= 1, changes


def test_a_display_that_was_made_before_its_voxels_keeps_its_window(node):
    from MedSSLLib.scene.voxelSteps import fillSteps, plainDisplay

    plainDisplay(node, 1600.0, -200.0)
    list(fillSteps(node, np.full((4, 4, 4), 7, np.int16), vtk.vtkMatrix4x4()))
    display = node.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel(), bool(display.GetAutoWindowLevel())) == (1600.0, -200.0, False)
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeGrey"


def test_reading_without_a_copy(scene):
    from medssl.client.volumes import nrrd_bytes, read_nrrd_bytes

    data = nrrd_bytes(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    array, _matrix = read_nrrd_bytes(data, copy=False)
    assert np.array_equal(array, read_nrrd_bytes(data)[0]) and not array.flags.owndata
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
