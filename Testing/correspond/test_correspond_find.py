"""Click to find: a point that moves, one question at a time, heat maps in place."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scaffold.inference_panel import grabViews, move


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
    assert "0.75" in match.GetNthControlPointLabel(0) and found.ui.findTable.item(0, 0).text() == "second"
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
    process_until(lambda: found.server.calls[-1].startswith("GET /results/"))
    found.idle(process_until)
    assert "GET /results/" in found.server.calls[-1] and not found.ui.radiographError.visible


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


def test_a_point_placed_anew_has_the_plain_name(found):
    """The application labels what is placed by the list's format, which would be its name and a number."""
    found.ui.placeButton.click()
    node = found.box.group.get("find", 0)
    assert node.GetNumberOfControlPoints() == 0
    for _placed in range(2):
        node.RemoveAllControlPoints()
        node.AddControlPoint(1.0, 2.0, 0.0)
        assert node.GetNthControlPointLabel(0) == "find"
