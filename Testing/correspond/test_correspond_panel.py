"""The box "Compare radiographs", clicked through every state against a backend in memory."""

from __future__ import annotations

import slicer
import vtk
from scaffold import phantoms
from scaffold.inference_panel import choose, grabViews
from scaffold.radiographs import PEAC
from scaffold.restoring import GENESIS

from medssl.core.errors import ResourceError


def test_nothing_loaded(panel, process_until, grab):
    panel.connect(process_until)
    assert not panel.ui.correspondButton.enabled
    assert panel.ui.correspondButton.toolTip == "To compare: load two radiographs or more"
    assert panel.ui.radiographStatus.text == "To compare: load two radiographs or more."
    assert not panel.ui.viewCombo.visible and not panel.ui.radiographShowButton.enabled
    panel.grab(grab, "correspond-nothing-loaded")


def test_one_image_is_not_enough(ready, scene, process_until):
    scene.RemoveNode(ready.images[1])
    process_until(lambda: not ready.ui.correspondButton.enabled)
    assert "load two" in ready.ui.correspondButton.toolTip
    phantoms.radiograph("third")
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
    assert (
        "needs one of PEAC or Dense anatomy" in ready.ui.radiographSection.toolTip
        and not ready.top.restoreSection.collapsed
    )
    assert "choose a model of PEAC or Dense anatomy" in ready.ui.correspondButton.toolTip
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
    from MedSSLInferenceLib.scene.pixelGeometry import pixelsToWorld

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
    ready.ui.imagesSelector.check(phantoms.picture("photograph", grey=False))
    ready.ui.correspondButton.click()
    assert ready.box.state == "failed" and "is a colour picture" in ready.ui.radiographError.text


def test_volumes_need_a_choice(ready, process_until, grab):
    ct = phantoms.volume("ct", (64, 48, 56))
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


def test_every_widget_says_what_it_is_for(panel):
    ui = panel.ui
    for widget in (ui.imagesSelector, ui.viewCombo, ui.denseCombo, ui.countSpin, ui.correspondButton, ui.correspondTable,
                   ui.radiusSlider, ui.radiusSpin, ui.refineCheck, ui.warpCombo, ui.warpButton, ui.blendSlider,
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


def test_landmark_error_of_tables(ready, process_until, grab):
    ui = ready.ui
    ui.tabs.currentIndex = 4
    assert ui.landmarksButton.toolTip == "To measure: choose a table of images, choose a table of landmarks"
    ui.landmarkImages.currentPath, ui.landmarkTable.currentPath = "/data/nih.csv", "/data/landmarks.csv"
    ui.landmarkGroups.text = "sex, view"
    ready.finish(ui.landmarksButton, process_until)
    request = ready.server.asked[-1]
    assert (request.data.path, request.landmarks, request.groups) == (
        "/data/nih.csv",
        "/data/landmarks.csv",
        ("sex", "view"),
    )
    assert request.models == (PEAC,)
    table = ui.landmarksTable
    assert table.item(0, 2).text() == "2.0 (50%)"
    assert "in mm: median 2.0 (1.0 to 3.0)" in table.item(0, 2).toolTip() and "mean 4.0" in table.item(0, 2).toolTip()
    assert ui.radiographStatus.text.startswith("peac is better by median")
    assert ready.widget.logic.getParameterNode().landmarkGroups == "sex, view"
    ready.grab(grab, "correspond-landmarks")


def test_landmark_errors_of_few_patients_have_no_interval(ready):
    from MedSSLInferenceLib.radiographs.radiographTables import fillLandmarks

    row = dict(model="m", landmark="apex", group="all")
    for measure in ("median", "within_cell", "mean", "mean_clipped"):
        row |= {measure: 0.54, f"{measure}_low": None, f"{measure}_high": None}
    fillLandmarks(ready.ui.landmarksTable, [row], "mm")
    tip = ready.ui.landmarksTable.item(0, 2).toolTip()
    assert (
        ready.ui.landmarksTable.item(0, 2).text() == "0.5 (54%)" and "median 0.5, within a patch 54%, mean 0.5" in tip
    )


def test_results_are_there_after_a_visit_to_another_module(found, process_until):
    found.finish(found.ui.correspondButton, process_until)
    state, ticked = found.box.state, found.box.form.images
    found.widget.exit()
    found.widget.enter()
    slicer.app.processEvents()
    assert (found.box.state, found.box.form.images) == (state, ticked)
