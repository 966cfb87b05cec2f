"""What a restoration leaves in the scene: geometry, display, hierarchy, attributes, layout."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from refusals import refused
from scaffold import phantoms
from scaffold.restoring import GENESIS, RestoreServer
from scaffold.transports import BlockingTransport


@pytest.fixture
def restore(load_module):
    """`restore(node, **options)` through the console logic and the fake server."""
    load_module("MedSSLInference")
    from MedSSLInference import MedSSLInferenceLogic

    def run(node, server=None, **options):
        transport = BlockingTransport(server or RestoreServer(polls=0))
        return MedSSLInferenceLogic().restore(node, GENESIS, transport, **options)

    return run


def volumes(restoration) -> list:
    return [restoration.original, restoration.distorted, restoration.restored, restoration.error]


@pytest.mark.parametrize("oblique", [False, True])
def test_results_have_the_geometry_of_the_source(restore, oblique):
    source = phantoms.volume(oblique=oblique)
    before = slicer.util.arrayFromVolume(source).copy()
    for node in volumes(restore(source)):
        assert np.array_equal(phantoms.ijk_to_ras(node), phantoms.ijk_to_ras(source))
        assert node.GetImageData().GetDimensions() == source.GetImageData().GetDimensions()
    assert np.array_equal(slicer.util.arrayFromVolume(source), before), "the user's volume was changed"


def test_results_follow_the_transform_of_the_source(restore, scene):
    source, transform = phantoms.volume(), scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    source.SetAndObserveTransformNodeID(transform.GetID())
    assert {node.GetTransformNodeID() for node in volumes(restore(source))} == {transform.GetID()}


@pytest.mark.parametrize("oblique", [False, True])
def test_a_region_lies_where_it_was_cut_out(restore, scene, oblique):
    source = phantoms.volume(oblique=oblique)
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    centre = phantoms.ijk_to_ras(source) @ [50, 40, 20, 1]
    roi.SetCenter(*centre[:3])
    roi.SetSize(60, 60, 60)
    server = RestoreServer(polls=0)
    result = restore(source, server, roi=roi)
    (i0, i1), (j0, j1), (k0, k1) = server.asked[-1].roi
    assert (i1 - i0, j1 - j0, k1 - k0) == (64, 64, 32) and i0 <= 50 < i1 and j0 <= 40 < j1 and k0 <= 20 < k1
    assert np.allclose(phantoms.ijk_to_ras(result.restored)[:3, 3], (phantoms.ijk_to_ras(source) @ [i0, j0, k0, 1])[:3])
    voxels = slicer.util.arrayFromVolume(source)[k0:k1, j0:j1, i0:i1]
    assert np.array_equal(slicer.util.arrayFromVolume(result.original), voxels)


def roi_around(scene, source, ijk, size_mm):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    roi.SetCenter(*(phantoms.ijk_to_ras(source) @ [*ijk, 1])[:3])
    roi.SetSize(*size_mm)
    return roi


def test_roi_bounds_are_half_open_voxels_inside_the_volume(load_module, scene):
    load_module("MedSSLInference")
    from MedSSLInferenceLib.scene.regionOfInterest import ijkBounds

    source = phantoms.volume()  # 96 x 80 x 48 voxels of 3.5 x 3.5 x 5 mm
    exact = roi_around(scene, source, (20, 30, 10), (3.5 * 10, 3.5 * 10, 5.0 * 4))
    assert ijkBounds(exact, source, (1, 1, 1)) == ((15, 26), (25, 36), (8, 13))
    edge = roi_around(scene, source, (95, 0, 47), (35.0, 35.0, 20.0))
    assert ijkBounds(edge, source, (1, 1, 1)) == ((90, 96), (0, 6), (45, 48))
    assert ijkBounds(edge, source) == ((32, 96), (0, 64), (16, 48)), (
        "grown to a model's sub-volume, inwards at the border"
    )
    inside = roi_around(scene, source, (5, 5, 5), (3.5, 3.5, 5.0))
    assert ijkBounds(inside, phantoms.volume(shape=(40, 80, 20))) == ((0, 40), (0, 64), (0, 20)), (
        "as far as the volume goes"
    )


def test_roi_bounds_follow_a_transform_of_the_volume(load_module, scene):
    load_module("MedSSLInference")
    from MedSSLInferenceLib.scene.regionOfInterest import ijkBounds

    source = phantoms.volume()
    roi = roi_around(scene, source, (20, 30, 10), (35.0, 35.0, 20.0))
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, -35.0)  # i runs against R: the volume moves, so the ROI now covers voxels with a smaller i
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(shift)
    source.SetAndObserveTransformNodeID(transform.GetID())
    assert ijkBounds(roi, source, (1, 1, 1))[0] == (5, 16)


def test_a_roi_outside_the_volume_is_refused(restore, scene):
    source = phantoms.volume()
    roi = roi_around(scene, source, (500, 30, 10), (35.0, 35.0, 20.0))
    with refused("roi-outside", names=["R: ", "phantom"]):
        restore(source, roi=roi)


def test_display_compares(restore):
    source = phantoms.volume()
    result = restore(source)
    for node in (result.original, result.distorted, result.restored):
        display = node.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (1600, -200, 0)
    error = result.error.GetDisplayNode()
    assert error.GetColorNode().GetName() in ("Inferno", "PET-Heat")
    assert error.GetLevel() - error.GetWindow() / 2 == 0
    top = slicer.util.arrayFromVolume(result.error).max()
    assert 0.5 * top < error.GetWindow() <= top


def test_error_colours_prefer_the_even_table(restore):
    assert restore(phantoms.volume()).error.GetDisplayNode().GetColorNode().GetName() == "PET-Heat"
    phantoms.addInferno()
    assert restore(phantoms.volume()).error.GetDisplayNode().GetColorNode().GetName() == "Inferno"


def test_a_volume_without_display_takes_the_models_window(restore, scene):
    source = phantoms.volume()
    scene.RemoveNode(source.GetDisplayNode())
    display = restore(source).restored.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (2000, 0)


def test_a_second_restoration_gets_a_second_folder(restore):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    source = phantoms.volume()
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(source), patient)
    first, second = restore(source), restore(source)
    assert (first.folderName, second.folderName) == ("Restoration of phantom", "Restoration of phantom (2)")
    for result in (first, second):
        assert hierarchy.GetItemParent(result.folderItem) == patient, "beside the source"
        for node in (*volumes(result), result.tableNode):
            assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == result.folderItem
    assert first.restored.GetID() != second.restored.GetID()
    assert len({node.GetName() for node in volumes(first) + volumes(second)}) == 8


def test_nodes_tell_where_they_come_from(restore, tmp_path):
    result = restore(phantoms.volume(), distortion="outpaint", strength=0.5, seed=7)
    node = result.restored
    assert node.GetAttribute("MedSSL.model") == GENESIS
    assert (node.GetAttribute("MedSSL.distortion"), node.GetAttribute("MedSSL.seed")) == ("outpaint", "7")
    assert float(node.GetAttribute("MedSSL.restored.psnr")) == pytest.approx(result.table[1]["psnr"])
    assert node.GetNodeReference("MedSSL.source").GetName() == "phantom"


def test_metrics_table(restore):
    result = restore(phantoms.volume())
    table = result.tableNode.GetTable()
    assert [table.GetColumnName(c) for c in range(4)] == ["image", "mse", "psnr", "ssim"]
    assert result.tableNode.GetCellText(1, 0) == "restored"
    assert table.GetValueByName(1, "psnr").ToDouble() == pytest.approx(result.table[1]["psnr"])


def test_a_metric_that_is_infinite_is_shown_as_none(load_module):
    load_module("MedSSLInference")
    import qt
    from MedSSLInferenceLib.panel.restoreBox import showMetrics
    from MedSSLInferenceLib.scene.tableNodes import createTable

    rows = ({"image": "distorted", "mse": 0.0, "psnr": None},)
    assert np.isnan(createTable(rows, "m").GetTable().GetValueByName(0, "psnr").ToDouble())
    widget = qt.QTableWidget()
    showMetrics(widget, rows)
    assert [widget.item(0, c).text() for c in range(3)] == ["Distorted", "0.0000", "-"]


def test_four_up_shows_each_image_in_its_view(restore, process_until):
    from MedSSLInferenceLib.views.restorationLayout import LAYOUT_ID, VIEWS, fourUpSteps
    from MedSSLLib.steps import runSteps

    manager = slicer.app.layoutManager()
    result = restore(phantoms.volume(oblique=True))
    for _repeated in range(2):
        runSteps(fourUpSteps(result, manager))
        assert manager.layout == LAYOUT_ID
        assert set(manager.sliceViewNames()) == {name for name, _ in VIEWS.values()}
    widgets = [manager.sliceWidget(name) for name, _colour in VIEWS.values()]
    process_until(lambda: all(widget.mrmlSliceCompositeNode().GetLinkedControl() for widget in widgets))
    for key, (name, _colour) in VIEWS.items():
        widget = manager.sliceWidget(name)
        assert widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() == getattr(result, key).GetID()
    offsets = {manager.sliceWidget(name).mrmlSliceNode().GetSliceOffset() for name, _ in VIEWS.values()}
    assert len({round(offset, 3) for offset in offsets}) == 1, "all four show the same slice"


def test_four_up_opens_at_the_region_although_the_sliders_answer_late(restore, process_until):
    import qt
    from MedSSLInferenceLib.views.restorationLayout import VIEWS, fourUpSteps
    from MedSSLLib.steps import runSteps

    manager, result = slicer.app.layoutManager(), restore(phantoms.volume())
    runSteps(fourUpSteps(result, manager))
    nodes = [manager.sliceWidget(name).mrmlSliceNode() for name, _colour in VIEWS.values()]
    bounds = [0.0] * 6
    result.restored.GetRASBounds(bounds)
    assert bounds[4] > 0 or bounds[5] < 0, "at 0 there is nothing of the volume"
    for node in nodes:  # as a new view's controller does, from the event loop
        qt.QTimer.singleShot(0, lambda node=node: node.SetSliceOffset(0.0))
    process_until(lambda: manager.sliceWidget("MedSSLError").mrmlSliceCompositeNode().GetLinkedControl())
    assert all(bounds[4] < node.GetSliceOffset() < bounds[5] for node in nodes)


def test_without_main_window_nothing_is_shown(restore):
    from MedSSLInferenceLib.views.restorationLayout import fourUpSteps
    from MedSSLLib.steps import runSteps

    before = slicer.app.layoutManager().layout
    runSteps(fourUpSteps(restore(phantoms.volume()), None))
    assert slicer.app.layoutManager().layout == before
