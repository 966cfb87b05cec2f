"""Search radius, refinement and warp: what is asked, the circle over the other image, the transform and the copy below it."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scaffold.inference_panel import grabViews, move
from scaffold.radiographs import RadiographServer

RADIUS = 20


@pytest.fixture
def confined(ready, process_until):
    """A point was searched within a radius, with refinement."""
    ready.ui.tabs.currentIndex = 1
    ready.ui.radiusSlider.value, ready.ui.refineCheck.checked = RADIUS, True
    ready.finish(ready.ui.findButton, process_until)
    return ready


@pytest.fixture
def warped(ready, process_until):
    """The first radiograph was bent onto the second."""
    ready.finish(ready.ui.warpButton, process_until)
    return ready


def test_the_radius_is_asked_for_and_drawn(confined, process_until, grab):
    ui = confined.ui
    assert ui.radiusSpin.value == RADIUS and "20 %" in ui.radiusSpin.text
    request = confined.server.asked[-1]
    assert (request.search_radius, request.refine) == (RADIUS, True)
    group = confined.box.group
    circle, image = group.get("circle", 1), confined.images[1]
    assert group.get("circle", 0) is None, "the point's own image is not searched"
    places = np.array([circle.GetNthControlPointPosition(n) for n in range(circle.GetNumberOfControlPoints())])
    radius = np.linalg.norm(places - places.mean(axis=0), axis=1)
    width = image.GetImageData().GetDimensions()[0] * image.GetSpacing()[0]
    assert np.allclose(radius, RADIUS / 100 * width, rtol=1e-6)
    view = slicer.app.layoutManager().sliceWidget("MedSSLImage2").mrmlSliceNode().GetID()
    assert tuple(circle.GetDisplayNode().GetViewNodeIDs()) == (view,)
    assert "An untrained network with the same radius" in ui.findTable.item(0, 0).toolTip()
    confined.grab(grab, "correspond-radius")
    grabViews(grab, "correspond-radius-views", 1000, 560)
    before = places.mean(axis=0)
    move(confined, 0, (30, 40))
    confined.idle(process_until)
    moved = np.array([circle.GetNthControlPointPosition(n) for n in range(circle.GetNumberOfControlPoints())])
    assert group.get("circle", 1) is circle and np.linalg.norm(moved.mean(axis=0) - before) > 5


def test_everywhere_has_no_circle(confined, process_until):
    confined.ui.radiusSlider.value = 0
    assert confined.ui.radiusSpin.text == "everywhere"
    move(confined, 0, (30, 40))
    confined.idle(process_until)
    assert confined.server.asked[-1].search_radius == 0 and confined.box.group.get("circle", 1) is None
    assert "untrained" not in confined.ui.findTable.item(0, 0).toolTip()


def test_the_radius_goes_with_points_and_landmarks_and_is_kept(confined, process_until):
    confined.finish(confined.ui.correspondButton, process_until)
    assert (confined.server.asked[-1].search_radius, confined.server.asked[-1].refine) == (RADIUS, True)
    ui = confined.ui
    ui.landmarkImages.currentPath, ui.landmarkTable.currentPath = "/data/nih.csv", "/data/landmarks.csv"
    confined.finish(ui.landmarksButton, process_until)
    assert (confined.server.asked[-1].search_radius, confined.server.asked[-1].refine) == (RADIUS, True)
    node = confined.widget.logic.getParameterNode()
    assert (node.searchRadius, node.refine) == (RADIUS, True)


def test_a_warp_is_a_transform_and_a_copy_below_it(warped, scene, grab):
    group, (first, second) = warped.box.group, warped.images
    transform, copy = group.get("transform", 1), group.get("warped", 1)
    assert transform.IsA("vtkMRMLGridTransformNode") and copy.GetTransformNodeID() == transform.GetID()
    assert np.array_equal(slicer.util.arrayFromVolume(copy), slicer.util.arrayFromVolume(first))
    assert len(warped.server.asked[-1].images) == 2 and first.GetTransformNodeID() is None
    from MedSSLInferenceLib.scene.pixelGeometry import imageSize, pixelsToWorld

    for share in (0.3, 0.71):
        here, there = (pixelsToWorld(node, [share * np.array(imageSize(node)) - 0.5])[0] for node in (second, first))
        found = transform.GetTransformFromParent().TransformPoint(here)
        assert np.allclose(found, np.add(there, (-3, 0, 0)), atol=1e-3), "what the backend said, in Slicer's own frame"
        off = transform.GetTransformFromParent().TransformPoint(np.add(here, (0, 0, 0.4)))
        assert np.allclose(off[:2], found[:2], atol=1e-3), "beside the slice as well"
    composite = slicer.app.layoutManager().sliceWidget("MedSSLImage2").mrmlSliceCompositeNode()
    assert composite.GetForegroundVolumeID() == copy.GetID() and composite.GetForegroundOpacity() == 0.5
    warped.ui.blendSlider.value = 0.8
    assert composite.GetForegroundOpacity() == pytest.approx(0.8)
    assert "40 of 52 point pairs" in warped.ui.warpLabel.text and transform.GetName() in warped.ui.warpLabel.text
    warped.grab(grab, "correspond-warp")
    grabViews(grab, "correspond-warp-views", 1000, 560)


def test_a_warp_again_fills_the_same_nodes(warped, scene, process_until):
    nodes = scene.GetNumberOfNodes()
    warped.finish(warped.ui.warpButton, process_until)
    assert scene.GetNumberOfNodes() == nodes


def test_a_warp_is_cleared_and_brought_back(warped, scene):
    results = warped.sections.results
    (row,) = [result for result in results.results if result.kind == "warped"]
    composite = slicer.app.layoutManager().sliceWidget("MedSSLImage2").mrmlSliceCompositeNode()
    results.clear()
    assert not [node for node in slicer.util.getNodesByClass("vtkMRMLGridTransformNode")]
    assert composite.GetForegroundVolumeID() is None and all(image.GetScene() is scene for image in warped.images)
    results.undo()
    copy = warped.box.group.get("warped", 1) if warped.box.group else row.group.get("warped", 1)
    assert copy.GetParentTransformNode() is not None and copy.GetParentTransformNode().IsA("vtkMRMLGridTransformNode")


def test_the_target_is_chosen_among_the_others(ready, process_until):
    assert [ready.ui.warpCombo.itemText(n) for n in range(ready.ui.warpCombo.count)] == ["second"]


def test_the_console_warps_by_known_points(make_logic, two):
    logic, points = (
        make_logic("MedSSLInference", RadiographServer(polls=1)),
        ({"x": 1.0, "y": 2.0, "target_x": 3.0, "target_y": 4.0},),
    )
    found = logic.warp(two, points=points)
    assert found.copy.GetParentTransformNode() is found.transform and "point pairs" in found.info["text"]
