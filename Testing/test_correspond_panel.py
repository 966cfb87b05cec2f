"""The box "Compare radiographs", clicked through every state against a backend in memory."""

from __future__ import annotations

import correspond_fakes as fakes
import inference_fakes
import numpy as np
import pytest
import qt
import slicer
import vtk

from medssl.errors import ResourceError

PEAC, GENESIS = "20261123-peac-b2", "20261123-genesis-a1"
WIDTH = 470


@pytest.fixture
def panel(load_module, monkeypatch, tmp_path):
    """The panel over a fake backend that is down."""
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    load_module("MedSSLInference")
    parent = qt.QWidget()
    qt.QVBoxLayout(parent)
    yield (panel := Panel(parent))
    panel.close()


class Panel:
    def __init__(self, parent) -> None:
        from MedSSLLib.backendBox import BackendBox

        from MedSSLInference import MedSSLInferenceWidget

        self.process, self.server, self.closed = inference_fakes.FakeProcess(), fakes.RadiographBackend(), False
        self.transport = inference_fakes.FakeTransport(self.server)
        self.widget = MedSSLInferenceWidget(parent, lambda frame: BackendBox(frame, process=self.process))
        self.widget.setup()
        self.ui, self.box = self.widget.panel.radiographs.ui, self.widget.panel.radiographs
        self.top = self.widget.ui
        parent.resize(WIDTH, 760)
        parent.show()

    def connect(self) -> None:
        self.process.set(self.transport)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.widget.cleanup()
            self.widget.parent.close()

    def finish(self, button, process_until) -> None:
        button.click()
        process_until(lambda: self.box.state in ("finished", "failed"))
        assert self.box.state == "finished" and not self.ui.radiographError.visible, self.ui.radiographError.text

    def grab(self, grab, name: str) -> None:
        slicer.app.processEvents()
        grab(self.widget.parent, name, WIDTH, max(760, self.widget.parent.layout().totalHeightForWidth(WIDTH)))

    def idle(self, process_until) -> None:
        process_until(lambda: not self.box.find.busy)


@pytest.fixture
def two(scene):
    return [fakes.radiograph("first"), fakes.radiograph("second", (90, 110), seed=1, origin=30.0)]


@pytest.fixture
def ready(panel, two, process_until):
    """Two radiographs are ticked, the backend is up, a PEAC model is chosen."""
    panel.images = two
    panel.connect()
    process_until(lambda: panel.top.modelCombo.count == 4)
    for node in two:
        panel.ui.imagesSelector.check(node)
    return panel


@pytest.fixture
def found(ready, process_until):
    """A point was put into the first radiograph, and the second shows where that is."""
    ready.ui.tabs.currentIndex = 1
    ready.finish(ready.ui.findButton, process_until)
    return ready


def choose(combo, data) -> None:
    index = combo.findData(data)
    assert index >= 0, f"{data!r} is not offered"
    combo.setCurrentIndex(index)


def grabViews(grab, name: str, width: int, height: int) -> None:
    """The views, fitted to the picture's size."""
    manager = slicer.app.layoutManager()
    manager.viewport().resize(width, height)
    manager.viewport().show()
    slicer.app.processEvents()
    manager.resetSliceViews()
    grab(manager.viewport(), name, width, height)


def move(panel, number: int, pixel) -> None:
    """As a drag of the mouse does."""
    from MedSSLInferenceLib.pixelGeometry import pixelsToWorld

    place = pixelsToWorld(panel.images[number], [pixel])[0]
    panel.box.group.get("find", number).SetNthControlPointPositionWorld(0, *place)


def test_nothing_loaded(panel, process_until, grab):
    panel.connect()
    process_until(lambda: panel.top.modelCombo.count == 4)
    assert not panel.ui.correspondButton.enabled
    assert panel.ui.correspondButton.toolTip == "To compare: load two radiographs or more"
    assert panel.ui.radiographStatus.text == "To compare: load two radiographs or more."
    assert not panel.ui.viewCombo.visible and not panel.ui.radiographShowButton.enabled
    panel.grab(grab, "correspond-nothing-loaded")


def test_one_image_is_not_enough(ready, scene):
    scene.RemoveNode(ready.images[1])
    assert not ready.ui.correspondButton.enabled and "load two" in ready.ui.correspondButton.toolTip
    fakes.radiograph("third")
    assert "tick two" in ready.ui.cosegmentButton.toolTip


def test_backend_down(panel, two, grab):
    for node in two:
        panel.ui.imagesSelector.check(node)
    assert "start the backend" in panel.ui.patchmapButton.toolTip and not panel.ui.findButton.enabled
    panel.grab(grab, "correspond-backend-down")


def test_sections_follow_the_model(ready, grab):
    assert ready.top.restoreSection.collapsed and not ready.top.restoreSection.enabled
    assert ready.top.restoreSection.toolTip == "The chosen model is of PEAC; this needs one of Models Genesis"
    assert ready.ui.radiographSection.enabled and ready.ui.correspondButton.enabled
    ready.grab(grab, "correspond-ready")
    choose(ready.top.modelCombo, GENESIS)
    assert not ready.ui.radiographSection.enabled and ready.ui.radiographSection.collapsed
    assert "needs one of PEAC" in ready.ui.radiographSection.toolTip and not ready.top.restoreSection.collapsed
    assert "choose a PEAC model" in ready.ui.correspondButton.toolTip
    choose(ready.top.modelCombo, "file")
    ready.top.weightPath.currentPath = "/models/peac.pth"
    assert ready.ui.radiographSection.enabled and ready.top.restoreSection.enabled, "only the backend knows"


def test_correspond(ready, process_until, grab):
    ready.ui.countSpin.value = 8
    choose(ready.ui.denseCombo, 4)
    ready.finish(ready.ui.correspondButton, process_until)
    request, table = ready.server.asked[-1], ready.ui.correspondTable
    assert (request.count, request.dense, request.model) == (8, 4, PEAC)
    assert table.rowCount == 16 and table.item(0, 0).text() == "P1"
    manager = slicer.app.layoutManager()
    assert manager.layout == 7320 and manager.sliceViewNames() == ("MedSSLImage1", "MedSSLImage2")
    for number, image in enumerate(ready.images):
        widget = manager.sliceWidget(f"MedSSLImage{number + 1}")
        assert widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() == image.GetID()
        display = ready.box.group.get("points", number).GetDisplayNode()
        assert tuple(display.GetViewNodeIDs()) == (widget.mrmlSliceNode().GetID(),), "in its own view only"
    ready.grab(grab, "correspond-finished")
    grabViews(grab, "correspond-views", 1000, 560)
    table.selectRow(2)
    lists = ready.box.group.all("points")
    assert [[node.GetNthControlPointSelected(n) for n in range(3)] for node in lists] == [[False, True, False]] * 2
    grabViews(grab, "correspond-highlight", 1000, 560)


def test_views_show_pixels_upright(ready, process_until):
    ready.finish(ready.ui.correspondButton, process_until)
    from MedSSLInferenceLib.pixelGeometry import pixelsToWorld

    node = slicer.app.layoutManager().sliceWidget("MedSSLImage2").mrmlSliceNode()
    rasToXy = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), rasToXy)
    corner, far = (rasToXy.MultiplyPoint([*p, 1])[:2] for p in pixelsToWorld(ready.images[1], [(0, 0), (89, 109)]))
    assert corner[0] < far[0] and corner[1] > far[1], "columns to the right, rows down (XY runs up)"


def test_running_cancel_and_errors(ready, process_until, grab):
    ready.server.polls = None
    ready.ui.correspondButton.click()
    process_until(lambda: ready.ui.radiographProgress.value == 40)
    assert ready.ui.correspondButton.text == "Cancel" and ready.ui.correspondButton.enabled
    assert not ready.ui.cosegmentButton.enabled and "Wait until" in ready.ui.cosegmentButton.toolTip
    assert not ready.ui.imagesSelector.enabled and ready.ui.radiographProgress.visible
    ready.grab(grab, "correspond-running")
    ready.ui.correspondButton.click()
    assert ready.ui.correspondButton.text == "Cancelling..."
    process_until(lambda: ready.box.state == "idle")
    assert ready.ui.radiographStatus.text == "Cancelled" and ready.ui.imagesSelector.enabled
    ready.server.polls, ready.server.fails = 1, ResourceError("model", "needs 4 GB <here>", "Close other programs")
    ready.ui.patchmapButton.click()
    process_until(lambda: ready.box.state == "failed")
    assert "needs 4 GB &lt;here&gt;" in ready.ui.radiographError.text and "Close other" in ready.ui.radiographError.text
    ready.grab(grab, "correspond-failed")
    ready.server.fails = None
    ready.finish(ready.ui.correspondButton, process_until)


def test_a_colour_picture_is_refused_with_a_remedy(ready, process_until):
    ready.ui.imagesSelector.check(fakes.picture("photograph", grey=False))
    ready.ui.correspondButton.click()
    assert ready.box.state == "failed" and "is a colour picture" in ready.ui.radiographError.text


def test_volumes_need_a_choice(ready, process_until, grab):
    ct = inference_fakes.phantom("ct", (64, 48, 56))
    ready.ui.imagesSelector.check(ct)
    assert ready.ui.viewCombo.visible
    assert not ready.ui.correspondButton.enabled
    assert "choose what becomes of 3D volumes" in ready.ui.correspondButton.toolTip
    choose(ready.ui.viewCombo, "frontal")
    assert ready.ui.correspondButton.enabled
    ready.grab(grab, "correspond-with-volume")
    ready.finish(ready.ui.correspondButton, process_until)
    assert [image.GetName() for image in ready.box.group.images] == ["first", "second", "ct frontal (simulated)"]
    assert slicer.app.layoutManager().sliceViewNames() == ("MedSSLImage1", "MedSSLImage2", "MedSSLImage3")
    grabViews(grab, "correspond-three-views", 1100, 460)


def test_moving_the_point_changes_the_map(found, scene, process_until, grab):
    group = found.box.group
    heat, match = group.get("heat", 1), group.get("match", 1)
    composite = slicer.app.layoutManager().sliceWidget("MedSSLImage2").mrmlSliceCompositeNode()
    assert composite.GetForegroundVolumeID() == heat.GetID() and composite.GetForegroundOpacity() == 0.5
    before, nodes = slicer.util.arrayFromVolume(heat).copy(), scene.GetNumberOfNodes()
    move(found, 0, (30, 40))
    found.idle(process_until)
    assert not np.array_equal(before, slicer.util.arrayFromVolume(heat)) and scene.GetNumberOfNodes() == nodes
    assert np.allclose((found.server.asked[-1].x, found.server.asked[-1].y), (30, 40))
    assert "0.90" in match.GetNthControlPointLabel(0) and found.ui.findTable.item(0, 0).text() == "second"
    found.ui.opacitySlider.value = 0.3
    assert composite.GetForegroundOpacity() == 0.3
    found.ui.opacitySlider.value = 0.6
    found.grab(grab, "correspond-find")
    grabViews(grab, "correspond-heat", 1000, 560)


def test_the_latest_position_wins(found, process_until):
    count = len(found.server.asked)
    for x in range(20, 100, 4):
        move(found, 0, (x, 50))
    found.idle(process_until)
    assert len(found.server.asked) - count == 2, "one under way, and the last position; nothing is queued"
    assert found.server.asked[-1].x == pytest.approx(96)
    assert not [call for call in found.server.calls[-2:] if call.startswith(("HEAD", "PUT"))], "images are sent once"
    assert all(call == "POST /inspect/similarity?wait=2" for call in found.server.calls[-2:])


def test_an_answer_may_come_later(found, process_until):
    found.server.late = True
    move(found, 0, (30, 40))
    process_until(lambda: found.server.calls[-1].startswith("GET /results/r1"))
    found.idle(process_until)
    assert "GET /results/r1" in found.server.calls[-1] and not found.ui.radiographError.visible


def test_a_point_outside_the_image(found, process_until):
    move(found, 0, (500, 40))
    found.idle(process_until)
    assert "lies outside first" in found.ui.radiographError.text
    move(found, 0, (50, 40))
    found.idle(process_until)
    assert not found.ui.radiographError.visible, "the next place is inside: all is well"


def test_a_server_that_forgot_the_images_gets_them_again(found, process_until):
    move(found, 0, (29, 40))
    found.idle(process_until)
    found.server.volumes.clear()
    move(found, 0, (30, 40))
    found.idle(process_until)
    assert "was not uploaded" in found.ui.radiographError.text
    move(found, 0, (31, 40))
    found.idle(process_until)
    assert not found.ui.radiographError.visible


def test_the_other_image_can_be_the_source(found, process_until):
    found.ui.sourceCombo.setCurrentIndex(1)
    found.finish(found.ui.findButton, process_until)
    move(found, 1, (20, 30))
    found.idle(process_until)
    assert found.server.asked[-1].source == 1 and found.ui.findTable.item(0, 0).text() == "first"
    move(found, 0, (60, 60))
    found.idle(process_until)
    assert found.server.asked[-1].source == 0 and found.ui.sourceCombo.currentIndex == 0


def test_placing_a_point_with_the_mouse(found):
    found.ui.placeButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActivePlaceNodeID() == found.box.group.get("find", 0).GetID()


def test_cosegment(ready, process_until, grab):
    ready.ui.tabs.currentIndex = 2
    ready.ui.partsSpin.value = 5
    ready.finish(ready.ui.cosegmentButton, process_until)
    assert ready.server.asked[-1].parts == 5 and "3 parts" in ready.ui.cosegmentLabel.text
    first, second = (node.GetSegmentation() for node in ready.box.group.all("parts"))
    first.GetNthSegment(0).SetName("right lung")
    assert second.GetNthSegment(0).GetName() == "right lung"
    ready.grab(grab, "correspond-parts")
    grabViews(grab, "correspond-parts-views", 1000, 560)


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
    from MedSSLInferenceLib.pixelGeometry import worldToPixel

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
    """As Slicer's plot view tells that a point was drawn around: a series and an index in its table."""
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


def test_every_widget_says_what_it_is_for(panel):
    ui = panel.ui
    for widget in (ui.imagesSelector, ui.viewCombo, ui.denseCombo, ui.countSpin, ui.correspondButton, ui.correspondTable,
                   ui.sourceCombo, ui.placeButton, ui.opacitySlider, ui.findButton, ui.findTable, ui.partsSpin,
                   ui.cosegmentButton, ui.mapCombo, ui.patchmapButton, ui.radiographShowButton):  # fmt: skip
        assert widget.toolTip, widget.objectName


def test_leaving_while_running_is_quiet(ready, process_until, qapp):
    ready.server.polls = None
    ready.ui.correspondButton.click()
    process_until(lambda: ready.ui.radiographProgress.value == 40)
    ready.close()
    count = len(ready.server.calls)
    for _ in range(20):
        qapp.processEvents()
    assert len(ready.server.calls) <= count + 1
