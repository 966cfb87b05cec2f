"""Places of one volume in another: a point that is dragged, several points, the control, the layout, a saved scene."""

from __future__ import annotations

import numpy as np
import slicer
from refusals import refused
from scaffold.inference_panel import grabViews
from scaffold.places import PLACES

PLACES_LAYOUT = 7360


def share(node, position) -> np.ndarray:
    """Shares of the sides of a volume at R, A, S as it has them."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    voxel = np.linalg.solve(slicer.util.arrayFromVTKMatrix(matrix), [*position, 1.0])[:3]
    return (voxel + 0.5) / node.GetImageData().GetDimensions()


def idle(panel, process_until) -> None:
    process_until(lambda: not panel.box.search.busy)


def drag(panel, number: int, position) -> None:
    """The mouse moves a point."""
    panel.box.places.points.SetNthControlPointPosition(number, *position)


def test_find_shows_point_match_and_heat(found, two, grab):
    places, manager = found.box.places, slicer.app.layoutManager()
    assert manager.layout == PLACES_LAYOUT and places.points.GetNumberOfControlPoints() == 1
    assert np.allclose(share(two[0], places.positions()[0]), 0.5), "at first in the middle"
    match = places.get("matches").GetNthControlPointPosition(0)
    assert np.allclose(share(two[1], match), 0.5) and "0.75" in places.get("matches").GetNthControlPointLabel(0)
    composites = [manager.sliceWidget(f"MedSSL{row}Axial").mrmlSliceCompositeNode() for row in ("From", "In")]
    assert [c.GetBackgroundVolumeID() for c in composites] == [node.GetID() for node in two]
    assert [c.GetForegroundVolumeID() for c in composites] == [None, places.get("heat").GetID()]
    assert places.points.GetDisplayNode().GetViewNodeIDs() and places.get("control") is None
    assert found.ui.placesTable.item(0, 1).text() == "0.75"
    found.ui.placesOpacitySlider.value = 0.3
    assert composites[1].GetForegroundOpacity() == 0.3
    found.ui.placesOpacitySlider.value = 0.6
    found.grab(grab, "places-found")
    grabViews(grab, "places-views", 1000, 620)


def test_a_dragged_point_is_followed_and_the_latest_position_wins(found, two, process_until):
    places, count, nodes = found.box.places, len(found.server.asked), slicer.mrmlScene.GetNumberOfNodes()
    start = np.array(places.positions()[0])
    for step in range(1, 11):
        drag(found, 0, np.add(start, [2.0 * step, 0, 0]))
    idle(found, process_until)
    asked = found.server.asked[count:]
    assert len(asked) == 2 and not any(request.refine for request in asked), "one under way, and the last position"
    assert np.allclose(asked[-1].points[0], np.add(start, [20, 0, 0]))
    match = places.get("matches").GetNthControlPointPosition(0)
    assert np.allclose(share(two[1], match), share(two[0], np.add(start, [20, 0, 0])), atol=1e-4)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes, "nodes are filled in place"
    places.points.InvokeEvent(places.points.PointEndInteractionEvent)
    process_until(lambda: len(found.server.asked) > count + 2)
    idle(found, process_until)
    assert found.server.asked[-1].refine, "the end of a drag is looked at closely"


def test_the_views_of_both_volumes_go_to_the_point(found, process_until):
    places, manager = found.box.places, slicer.app.layoutManager()
    drag(found, 0, np.add(places.positions()[0], [5, -7, 10]))
    idle(found, process_until)
    for row, node in (("From", places.points), ("In", places.get("matches"))):
        place = node.GetNthControlPointPositionWorld(0)
        for plane, axis in (("Axial", 2), ("Coronal", 1), ("Sagittal", 0)):
            offset = manager.sliceWidget(f"MedSSL{row}{plane}").mrmlSliceNode().GetSliceOffset()
            assert abs(abs(offset) - abs(place[axis])) < 0.1, (row, plane)


def test_several_points_and_one_that_goes(found, process_until, grab):
    places = found.box.places
    first = np.array(places.positions()[0])
    for shift in ([30, 0, 0], [0, 30, 20]):
        places.points.AddControlPoint(*(first + shift))
        idle(found, process_until)
    assert places.get("matches").GetNumberOfControlPoints() == 3 and found.ui.placesTable.rowCount == 3
    assert found.server.asked[-1].map_of == 2, "the map is of the point that came last"
    found.ui.placesTable.selectRow(0)
    idle(found, process_until)
    assert found.server.asked[-1].map_of == 0, "of a chosen one its own"
    found.grab(grab, "places-several")
    places.points.RemoveNthControlPoint(1)
    idle(found, process_until)
    assert places.get("matches").GetNumberOfControlPoints() == 2
    assert [places.points.GetNthControlPointLabel(n) for n in range(2)] == ["1", "2"]
    places.points.RemoveAllControlPoints()
    assert places.get("matches").GetNumberOfControlPoints() == 0 and not found.ui.placesTable.visible


def test_radius_and_control_ask_again(found, process_until, grab):
    assert found.ui.placesRadiusSpin.text == "everywhere"
    found.ui.placesRadiusSlider.value = 40
    idle(found, process_until)
    assert found.server.asked[-1].search_radius == 40 and not found.server.asked[-1].compare_untrained
    found.ui.placesControlCheck.checked = True
    idle(found, process_until)
    control = found.box.places.get("control")
    assert found.server.asked[-1].compare_untrained and control.GetNumberOfControlPoints() == 1
    assert "before training" in found.ui.placesTable.item(0, 0).toolTip()
    found.grab(grab, "places-control")


def test_shared_places_are_chosen(ready, process_until):
    ready.ui.placesCountSpin.value = 5
    ready.finish(ready.ui.sharedPlacesButton, process_until)
    assert ready.server.asked[-1].count == 5 and ready.server.asked[-1].points == ()
    assert ready.box.places.points.GetNumberOfControlPoints() == 5 and ready.box.places.get("heat") is None


def test_a_result_is_listed_cleared_and_brought_back(found, process_until):
    from MedSSLInferenceLib.scene.clearing import bringBack, clear
    from MedSSLInferenceLib.scene.results import results

    (result,) = results()
    assert result.kind == "places" and result.images == tuple(found.images) and result.complete
    assert len(result.overlays) == 2 and len(result.layers) == 1
    cleared = clear([result])
    assert not results() and not found.box.places.complete
    bringBack(cleared)
    assert results()[0].key == result.key and found.box.places.complete
    found.ui.searchedSelector.setCurrentNode(None)
    assert found.box.places is None and not found.ui.placesTable.visible
    found.sections.results.show()
    assert found.box.places.points is result.node("points") and found.ui.placesTable.rowCount == 1


def test_bad_volumes_are_refused(make_logic, two):
    from scaffold.places import PlacesServer

    logic = make_logic("MedSSLInference", PlacesServer(polls=1))
    with refused("volume-twice", names="first"):
        logic.findPlaces([two[0], two[0]], PLACES)
    answer = logic.findPlaces(two, PLACES, points=[[0.0, 0.0, 0.0]], search_radius=30.0)
    assert answer.places.get("matches").GetNumberOfControlPoints() == 1 and answer.table[0]["by"] == "model"
