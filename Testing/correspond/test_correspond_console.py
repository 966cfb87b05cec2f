"""Comparisons of radiographs from Slicer's Python console: nodes, places, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from refusals import refused
from scaffold import phantoms, radiographs
from scaffold.radiographs import PEAC, RadiographServer
from scaffold.transports import FakeTransport

from medssl.core.errors import CancelledError, ResourceError, VolumeError


@pytest.fixture
def logic(make_logic):
    return make_logic("MedSSLInference", RadiographServer(polls=1))


def pixel(image, point):
    from MedSSLInferenceLib.scene.pixelGeometry import worldToPixel

    return worldToPixel(image, point)


def test_points_lie_exactly_at_their_pixels(logic, two):
    result = logic.correspond(two, PEAC, count=7)
    assert [node.GetNumberOfControlPoints() for node in result.lists] == [7, 7]
    labels = [[node.GetNthControlPointLabel(n) for n in range(7)] for node in result.lists]
    assert labels[0] == labels[1] == [f"P{n}" for n in range(1, 8)]
    for row in result.table:
        node = result.lists[row["image"]]
        index = labels[0].index(row["label"])
        assert np.allclose(pixel(two[row["image"]], node.GetNthControlPointPositionWorld(index)), (row["x"], row["y"]))
        assert "confidence" in node.GetNthControlPointDescription(index)
    colours = {node.GetDisplayNode().GetSelectedColor() for node in result.lists}
    assert colours == {(1.0, 0.85, 0.2)}, "equal places have equal colours"


def test_points_follow_the_transform_of_their_image(logic, two, scene):
    matrix = vtk.vtkMatrix4x4()
    for place, value in {(0, 1): -1.0, (1, 0): 1.0, (0, 0): 0.0, (1, 1): 0.0, (2, 3): 40.0}.items():
        matrix.SetElement(*place, value)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix)
    two[1].SetAndObserveTransformNodeID(transform.GetID())
    result = logic.correspond(two, PEAC, count=3)
    row = next(row for row in result.table if row["image"] == 1)
    place = result.lists[1].GetNthControlPointPositionWorld(0)
    assert place[2] == pytest.approx(150.0 + 40.0) and np.allclose(pixel(two[1], place), (row["x"], row["y"]))


def test_nodes_know_each_other(logic, two):
    result = logic.correspond(two, PEAC)
    first, second = result.lists
    assert first.GetNodeReference("MedSSL.correspondsTo") is second
    assert second.GetNodeReference("MedSSL.correspondsTo") is first
    assert first.GetNodeReference("MedSSL.image") is two[0]
    assert two[1].GetNodeReference(f"MedSSL.{result.group.key}.points") is second
    attributes = {node.GetAttribute("MedSSL.group") for node in (first, second, result.tableNode)}
    assert attributes == {result.group.key}
    table = result.tableNode.GetTable()
    names = [table.GetColumnName(c) for c in range(table.GetNumberOfColumns())]
    assert names == ["label", "image", "name", "x", "y", "similarity", "confidence", "colour"]


def test_a_second_run_fills_the_same_nodes(logic, two, scene):
    first = logic.correspond(two, PEAC, count=9)
    count = scene.GetNumberOfNodes()
    second = logic.correspond(two, PEAC, count=4)
    assert scene.GetNumberOfNodes() == count and second.lists == first.lists and second.group == first.group
    assert second.lists[1].GetNumberOfControlPoints() == 4 and second.tableNode.GetNumberOfRows() == 8
    other = logic.correspond([two[1], two[0]], PEAC)
    assert other.group != first.group and other.group.key != first.group.key, "another reference, another comparison"


def test_results_lie_in_one_folder_beside_the_images(logic, two):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    lists = logic.correspond(two, PEAC).lists
    parts = logic.cosegment(two, PEAC).segmentations
    folders = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in (*lists, *parts)}
    assert len(folders) == 1 and hierarchy.GetItemName(folders.pop()) == "Comparison of first, second"


def test_similarity_maps_lie_over_their_images(logic, two):
    from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld

    point = pixelsToWorld(two[0], [(30, 40)])[0]
    result = logic.similarity(two, PEAC, source=two[0], pointRas=point, dense=2)
    assert logic.server.asked[-1].source == 0 and logic.server.asked[-1].dense == 2
    assert np.allclose((logic.server.asked[-1].x, logic.server.asked[-1].y), (30, 40))
    (heat,), (match,) = result.heatMaps, result.matches
    values = slicer.util.arrayFromVolume(heat)[0]
    row, column = np.unravel_index(values.argmax(), values.shape)
    best = (phantoms.ijk_to_ras(heat) @ [column, row, 0, 1])[:3]
    expected = (30 / 120 * 90, 40 / 100 * 110)
    assert np.allclose(pixel(two[1], best), expected, atol=2.5), "the map's maximum is where the match is"
    assert np.allclose(pixel(two[1], match.GetNthControlPointPositionWorld(0)), expected)
    assert [match.GetNthControlPointLabel(n) for n in range(2)] == ["best, confidence 0.75", "runner-up"]
    assert "confidence 0.75" in match.GetNthControlPointDescription(0)
    display, colour = heat.GetDisplayNode(), [0.0] * 4
    assert display.GetWindowLevelMax() == pytest.approx(values.max())
    display.GetColorNode().GetColor(0, colour)
    assert display.GetColorNode().GetName() == "MedSSL heat" and colour[3] == 0, "clear where nothing is similar"


def test_heat_maps_are_updated_in_place(logic, two, scene):
    from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld

    first = logic.similarity(two, PEAC, 0, pixelsToWorld(two[0], [(30, 40)])[0])
    before, count = slicer.util.arrayFromVolume(first.heatMaps[0]).copy(), scene.GetNumberOfNodes()
    second = logic.similarity(two, PEAC, 0, pixelsToWorld(two[0], [(80, 60)])[0])
    assert second.heatMaps == first.heatMaps and scene.GetNumberOfNodes() == count
    assert not np.array_equal(before, slicer.util.arrayFromVolume(second.heatMaps[0]))


def test_without_a_runner_up(logic, two, monkeypatch):
    whole = RadiographServer._similarity

    def alone(self, request):
        rows, info, files = whole(self, request)
        nothing = dict(runner_up_x=None, runner_up_y=None, runner_up_similarity=None, confidence=0.0)
        return [{**row, **nothing} for row in rows], info, files

    first = logic.similarity(two, PEAC, 0, None).matches[0]
    assert first.GetNumberOfControlPoints() == 2
    monkeypatch.setattr(RadiographServer, "_similarity", alone)
    assert logic.similarity(two, PEAC, 0, None).matches == [first] and first.GetNumberOfControlPoints() == 1


def test_parts_have_common_names_and_colours(logic, two):
    result = logic.cosegment(two, PEAC)
    segmentations = [node.GetSegmentation() for node in result.segmentations]
    looks = [
        [(s.GetNthSegment(n).GetName(), s.GetNthSegment(n).GetColor()) for n in range(s.GetNumberOfSegments())]
        for s in segmentations
    ]
    assert looks[0] == looks[1] and [name for name, _ in looks[0]] == list(radiographs.PARTS)
    assert np.allclose(looks[0][0][1], [0xE6 / 255, 0x19 / 255, 0x4B / 255])
    segment = segmentations[0].GetNthSegment(0)
    tag = vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag) and "Tissue" in str(tag)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(
        result.segmentations[1], segmentations[1].GetNthSegmentID(0), two[1]
    )
    assert array.shape == (1, 110, 90) and array[0, 55, 27] and not array[0, 2, 2]


def test_renaming_a_part_renames_it_everywhere(logic, two):
    first, second = (node.GetSegmentation() for node in logic.cosegment(two, PEAC).segmentations)
    first.GetNthSegment(1).SetName("left lung")
    second.GetNthSegment(0).SetColor(0.1, 0.2, 0.3)
    for segmentation in (first, second):
        assert segmentation.GetNthSegment(1).GetName() == "left lung"
        assert np.allclose(segmentation.GetNthSegment(0).GetColor(), (0.1, 0.2, 0.3))
    extra = slicer.vtkSegment()
    extra.SetName("mine")
    first.AddSegment(extra)
    extra.SetName("mine alone")
    assert second.GetNumberOfSegments() == 3


def test_patch_map_series_point_at_rows_of_the_table(logic, two):
    result = logic.patchmap(two, PEAC, method="pca")
    assert logic.server.asked[-1].method == "pca"
    assert result.tableNode.GetNumberOfRows() == 2 * radiographs.GRID**2 and len(result.series) == 2 * 9
    assert result.chart.GetNumberOfPlotSeriesNodes() == len(result.series)
    markers = {series.GetMarkerStyle() for series in result.series}
    assert len(markers) == 2, "the marker shows the image"
    table = result.series[0].GetTableNode().GetTable()
    for series in result.series:
        column = table.GetColumnByName(series.GetYColumnName())
        rows = [n for n in range(column.GetNumberOfValues()) if column.GetValue(n) == column.GetValue(n)]
        assert rows and all(column.GetValue(n) == pytest.approx(result.table[n]["v"]) for n in rows)
    again = logic.patchmap(two, PEAC)
    assert len(again.series) == 18 and again.chart.GetNumberOfPlotSeriesNodes() == 18


def test_landmarks(logic, two, scene):
    from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld

    lists = []
    for image in two:
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
        node.AddControlPointWorld(*pixelsToWorld(image, [(12, 34)])[0], "apex")
        lists.append(node)
    result = logic.landmarks(two, lists, [PEAC])
    request = logic.server.asked[-1]
    assert [point["landmark"] for point in request.points] == ["apex", "apex"]
    assert {ref.patient for ref in request.data.volumes} == {point["image"] for point in request.points}
    assert np.allclose([request.points[1][axis] for axis in "xy"], (12, 34))
    assert result.tableNode.GetNumberOfRows() == 2 and result.info["unit"] == "mm"
    with refused("point-lists-missing", names=["1 point lists", "2 radiographs"]):
        logic.landmarks(two, lists[:1], PEAC)


def test_a_volume_becomes_a_radiograph_once(logic, two, scene):
    ct = phantoms.volume("ct", (64, 48, 56))
    ct.SetAttribute("MedSSL.Modality", "CT")
    result = logic.correspond([two[0], ct], PEAC, view="frontal")
    assert logic.server.asked[0].volume.view == "frontal"
    radiograph = result.group.images[1]
    assert radiograph is not ct and radiograph.GetName() == "ct frontal (simulated)"
    assert radiograph.GetImageData().GetDimensions() == (64, 56, 1)
    assert radiograph.GetNodeReference("MedSSL.source") is ct
    point = result.lists[1].GetNthControlPointPositionWorld(0)
    assert pixel(radiograph, point)[0] == pytest.approx(result.table[1]["x"])
    logic.cosegment([two[0], ct], PEAC, view="frontal")
    planes = [request for request in logic.server.asked if type(request).__name__ == "PlaneRequest"]
    assert len(planes) == 1, "made once, compared again"


def test_the_slice_of_the_red_view(logic, two):
    ct = phantoms.volume("ct", (64, 48, 56), oblique=True)
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    red.RotateToVolumePlane(ct)
    red.JumpSliceByCentering(*(phantoms.ijk_to_ras(ct) @ [30, 20, 17, 1])[:3])
    logic.correspond([two[0], ct], PEAC, view="red")
    assert logic.server.asked[0].volume.view == "k:17"
    red.JumpSliceByCentering(0, 0, 9000)
    with refused("no-slice-shown", names="ct"):
        logic.correspond([two[0], ct], PEAC, view="red")


def test_inverted_display_is_shown(logic, two):
    two[1].GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeInvertedGrey")
    logic.correspond(two, PEAC)
    assert [ref.inverted for ref in logic.server.asked[-1].images] == [False, True]


def test_grey_pictures_are_radiographs_and_photographs_are_not(logic, two):
    result = logic.correspond([two[0], phantoms.picture("png")], PEAC)
    assert result.lists[1].GetNumberOfControlPoints() == 12
    with refused("colour-image", names="photograph") as caught:
        logic.correspond([two[0], phantoms.picture("photograph", grey=False)], PEAC)
    assert "grey" in caught.value.remedy


def test_what_cannot_be_compared(logic, two, scene):
    ct = phantoms.volume("ct")
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    for nodes, code in (
        (two[:1], "too-few-images"), ([two[0], two[0]], "radiograph-repeated"), ([two[0], ct], "not-2d"),
        ([two[0], empty], "no-voxels"),
    ):  # fmt: skip
        with refused(code):
            logic.correspond(nodes, PEAC)
    with refused("point-outside", names=["(-2440, 50)", "first"]):
        logic.similarity(two, PEAC, 0, (5000.0, 0.0, 0.0))
    assert not logic.server.asked, "refused before anything was asked"


def test_the_backends_error_leaves_the_scene_as_it_was(logic, two, scene):
    logic.server.fails = ResourceError("model", "needs 4 GB", "Close other programs")
    count = scene.GetNumberOfNodes()
    for ask in (logic.correspond, logic.cosegment, logic.patchmap):
        with refused("resource", names="4 GB"):
            ask(two, PEAC)
    assert scene.GetNumberOfNodes() == count


def test_a_damaged_answer_leaves_the_scene_as_it_was(logic, two, scene, monkeypatch):
    whole = RadiographServer._cosegment

    def damaged(self, request):
        rows, info, files = whole(self, request)
        return rows, info, {name: data[:300] for name, data in files.items()}

    monkeypatch.setattr(RadiographServer, "_cosegment", damaged)
    count = scene.GetNumberOfNodes()
    with pytest.raises(VolumeError):
        logic.cosegment(two, PEAC)
    assert scene.GetNumberOfNodes() == count


def test_without_waiting(logic, two, process_until):
    ends = []
    server = RadiographServer(polls=None)
    run = logic.correspond(
        two, PEAC, FakeTransport(server), waitForCompletion=False, onFinished=ends.append,
        onFailed=ends.append,
    )  # fmt: skip
    process_until(lambda: server.status is not None and server.status.state == "running")
    run.cancel()
    process_until(lambda: ends)
    assert isinstance(ends[0], CancelledError)


def test_an_image_removed_while_the_backend_works(logic, two, scene, process_until):
    ends, server = [], RadiographServer(polls=2)
    logic.correspond(
        two, PEAC, FakeTransport(server), waitForCompletion=False, onFinished=ends.append,
        onFailed=ends.append,
    )  # fmt: skip
    process_until(lambda: server.asked)
    scene.RemoveNode(two[1])
    process_until(lambda: ends)
    assert "was removed from the scene" in str(ends[0])
