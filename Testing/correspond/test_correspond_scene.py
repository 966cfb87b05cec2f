"""Comparisons of radiographs in the scene: patch map linked both ways, nodes removed, saved and loaded."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from scaffold.inference_panel import choose, grabViews, move


def test_patch_map_is_linked_both_ways(ready, process_until, grab):
    ready.ui.tabs.currentIndex = 3
    choose(ready.ui.mapCombo, "pca")
    ready.finish(ready.ui.patchmapButton, process_until)
    manager, group = slicer.app.layoutManager(), ready.box.group
    assert manager.layout == 7321 and manager.plotViewCount == 1
    view = manager.plotWidget(0)
    assert view.mrmlPlotViewNode().GetPlotChartNode() is group.get("chart")
    rows = ready.server._patchmap(ready.server.asked[-1])[0]
    number = 19 * 19 + 19 * 4 + 15  # of the second image
    pick(view.plotView(), group, number)
    ready.idle(process_until)
    from MedSSLInferenceLib.scene.pixelGeometry import worldToPixel

    place = worldToPixel(ready.images[1], group.get("find", 1).GetNthControlPointPositionWorld(0))
    assert np.allclose(place, (rows[number]["x"], rows[number]["y"])), "the patch's place is marked in its image"
    assert ready.server.asked[-1].source == 1 and ready.ui.sourceCombo.currentIndex == 1
    move(ready, 1, (rows[200 + 361]["x"] + 0.4, rows[200 + 361]["y"]))
    ready.idle(process_until)
    selected = group.get("selected").GetTableNode().GetTable()
    assert selected.GetValueByName(0, "u").ToDouble() == pytest.approx(rows[200 + 361]["u"])
    ready.grab(grab, "correspond-patch-map")
    grabViews(grab, "correspond-patch-map-views", 1000, 900)


def pick(view, group, row: int) -> None:
    """As Slicer's plot view reports that a point was drawn around: a series and an index in its table."""
    series = [s for s in group.several("series") if not np.isnan(value(s, row))]
    names, indices, index = vtk.vtkStringArray(), vtk.vtkCollection(), vtk.vtkIdTypeArray()
    names.InsertNextValue(series[0].GetID())
    index.InsertNextValue(row)
    indices.AddItem(index)
    view.dataSelected.emit(names, indices)


def value(series, row: int) -> float:
    return series.GetTableNode().GetTable().GetValueByName(row, series.GetYColumnName()).ToDouble()


def test_an_image_that_is_removed_ends_the_comparison(found, scene, process_until):
    move(found, 0, (30, 40))
    scene.RemoveNode(found.images[1])
    found.idle(process_until)
    assert found.box.group is None and not found.ui.radiographShowButton.enabled
    assert found.ui.findTable.rowCount == 0


def test_results_that_are_removed_come_again(found, scene, process_until):
    scene.RemoveNode(found.box.group.get("heat", 1))
    scene.RemoveNode(found.box.group.get("match", 1))
    move(found, 0, (30, 40))
    found.idle(process_until)
    assert found.box.group.get("heat", 1) is not None and found.box.group.get("match", 1) is not None


def test_without_main_window(ready, process_until):
    ready.box._layoutManager = ready.box.find._layoutManager = lambda: None
    for button in (ready.ui.correspondButton, ready.ui.findButton, ready.ui.cosegmentButton, ready.ui.patchmapButton):
        ready.finish(button, process_until)


def test_everything_comes_back_with_the_scene(found, scene, process_until, tmp_path, grab):
    for button in (found.ui.correspondButton, found.ui.cosegmentButton, found.ui.patchmapButton):
        found.finish(button, process_until)
    found.ui.countSpin.value, found.ui.partsSpin.value = 9, 4
    choose(found.ui.denseCombo, 1)
    found.box.group.get("parts", 0).GetSegmentation().GetNthSegment(1).SetName("left lung")
    place = found.box.group.get("points", 1).GetNthControlPointPositionWorld(2)
    save(scene, tmp_path / "kept")
    scene.Clear(0)
    assert found.box.group is None and found.ui.correspondTable.rowCount == 0
    slicer.app.layoutManager().setLayout(2)
    load(scene, tmp_path / "kept")
    group = found.box.group
    assert group is not None and [image.GetName() for image in group.images] == ["first", "second"]
    assert found.ui.imagesSelector.checkedNodes() == tuple(group.images)
    assert (found.ui.countSpin.value, found.ui.partsSpin.value, found.box.form.dense) == (9, 4, 1)
    assert np.allclose(group.get("points", 1).GetNthControlPointPositionWorld(2), place, atol=1e-3)
    assert group.get("points", 0).GetNodeReference("MedSSL.correspondsTo") is group.get("points", 1)
    assert group.get("points", 0).GetAttribute("MedSSL.group") == group.key
    assert found.ui.correspondTable.rowCount == 24 and group.get("table").GetNumberOfRows() == 24
    first, second = (node.GetSegmentation() for node in group.all("parts"))
    assert second.GetNthSegment(1).GetName() == "left lung"
    first.GetNthSegment(1).SetName("lung again")
    assert second.GetNthSegment(1).GetName() == "lung again", "renaming is followed again"
    assert group.get("chart").GetNumberOfPlotSeriesNodes() == len(group.several("series")) == 18
    manager = slicer.app.layoutManager()
    assert manager.layout == 7321 and len(manager.sliceViewNames()) == 2
    colour = [0.0] * 4
    group.get("heat", 1).GetDisplayNode().GetColorNode().GetColor(0, colour)
    assert colour[3] == 0, "the radiograph shows through"
    found.images = group.images
    before = slicer.util.arrayFromVolume(group.get("heat", 1)).copy()
    move(found, 0, (25, 70))
    found.idle(process_until)
    assert not np.array_equal(before, slicer.util.arrayFromVolume(group.get("heat", 1))), "the point works again"
    grabViews(grab, "correspond-reloaded", 1000, 900)


def save(scene, folder) -> None:
    """As Slicer saves a scene: each storable node into a file of its own, then the scene."""
    folder.mkdir()
    scene.SetRootDirectory(str(folder))
    for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
        if node.GetSaveWithScene() and (not node.IsA("vtkMRMLColorNode") or node.GetName() == "MedSSL heat"):
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
            if storage is not None:
                storage.SetFileName(str(folder / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
                assert storage.WriteData(node), node.GetName()
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()


def load(scene, folder) -> None:
    scene.SetURL(str(folder / "scene.mrml"))
    scene.SetRootDirectory(str(folder))
    assert scene.Import()
    slicer.app.processEvents()
