"""The stand-in's views behave as the application's where panels were caught out: layouts, late sliders, what is drawn where."""

from __future__ import annotations

import harness as harness_package
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
OWN = 7100  # a layout that no module registers
LAYOUT = """<layout type="horizontal"><item><view class="vtkMRMLSliceNode" singletontag="Own">
<property name="orientation" action="default">Axial</property></view></item></layout>"""


@pytest.fixture
def manager(scene, qapp):
    return qapp.layoutManager()


@pytest.fixture
def layoutNode(manager):
    return manager.layoutLogic().GetLayoutNode()


def shown(manager) -> list:
    """The slice views in the viewport."""
    import slicer

    return [w for w in slicer.util.findChildren(manager.viewport()) if w.className() == "qMRMLSliceWidget"]


def volume(first: float = 100.0, slices: int = 20):
    """Slices 2 mm apart, the first at a height."""
    import slicer

    node = slicer.util.addVolumeFromArray(np.random.default_rng(0).random((slices, 16, 16)))
    node.SetSpacing(1.0, 1.0, 2.0)
    node.SetOrigin(0.0, 0.0, first)
    return node


@pytest.mark.complains("Can't find layout")
def test_a_layout_is_unknown_until_it_is_registered(manager, layoutNode):
    assert len(shown(manager)) == 3
    layoutNode.SetViewArrangement(OWN)  # as a saved scene does
    assert shown(manager) == [] and manager.sliceViewNames() == ()
    layoutNode.AddLayoutDescription(OWN, LAYOUT)
    assert shown(manager) == []
    manager.setLayout(OWN)
    assert shown(manager) == [], "the current layout was set again, which does nothing"
    manager.setLayout(3)
    manager.setLayout(OWN)
    assert manager.sliceViewNames() == ("Own",) and len(shown(manager)) == 1


def test_asking_for_an_unknown_layout_gives_the_conventional_one(manager, layoutNode):
    manager.setLayout(OWN)
    assert layoutNode.GetViewArrangement() == layoutNode.SlicerLayoutConventionalView


@pytest.mark.complains("Can't find layout")
def test_a_loaded_scene_that_names_an_unknown_layout_shows_nothing(manager, layoutNode, scene, tmp_path):
    layoutNode.AddLayoutDescription(OWN, LAYOUT)
    manager.setLayout(OWN)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    scene.Clear(0)
    manager._restart()  # another run of the application
    assert len(shown(manager)) == 3
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Connect()
    assert layoutNode.GetViewArrangement() == OWN and shown(manager) == []


@pytest.mark.complains("Can't find layout")
def test_every_test_begins_without_layouts_of_others(manager, layoutNode):
    assert not [n for n in layoutNode.GetLayoutIndices() if n > 100]
    assert manager.sliceWidget("Own") is None


def test_the_slider_of_a_new_view_says_zero_later(manager, qapp):
    import qt
    import slicer

    node = volume()
    view = manager.sliceWidget("Red")
    logic, said = view.sliceLogic(), []
    view.sliceController().sliceOffsetSlider().connect("valueChanged(double)", said.append)
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(node.GetID())
    view.mrmlSliceNode().SetSliceOffset(120.0)
    qt.QTimer.singleShot(0, lambda: view.mrmlSliceNode().SetSliceOffset(122.0))
    assert view.mrmlSliceNode().GetSliceOffset() == 120.0 and said == []
    for _ in range(5):
        slicer.app.processEvents()
    assert said[0] == 0.0, "the slider answers with what it showed when it was made"
    assert view.mrmlSliceNode().GetSliceOffset() not in (120.0, 122.0)


def settle(qapp) -> None:
    for _ in range(6):
        qapp.processEvents()


def test_a_slider_whose_range_lost_its_value_says_the_end_of_the_range(manager, qapp):
    view = manager.sliceWidget("Red")
    settle(qapp)
    composite, node = view.mrmlSliceCompositeNode(), view.mrmlSliceNode()
    composite.SetBackgroundVolumeID(volume(100.0).GetID())
    settle(qapp)
    node.SetSliceOffset(120.0)
    settle(qapp)
    assert node.GetSliceOffset() == 120.0, "a slider that has settled leaves the offset alone"
    composite.SetBackgroundVolumeID(volume(300.0).GetID())
    node.SetSliceOffset(310.0)
    settle(qapp)
    assert node.GetSliceOffset() == 300.0
    node.SetSliceOffset(310.0)
    settle(qapp)
    assert node.GetSliceOffset() == 310.0


def test_a_range_that_keeps_the_value_says_nothing(manager, qapp):
    view = manager.sliceWidget("Red")
    settle(qapp)
    view.mrmlSliceCompositeNode().SetBackgroundVolumeID(volume(-10.0).GetID())
    settle(qapp)
    view.mrmlSliceNode().SetSliceOffset(6.0)
    view.mrmlSliceCompositeNode().SetBackgroundVolumeID(volume(-12.0, slices=30).GetID())
    settle(qapp)
    assert view.mrmlSliceNode().GetSliceOffset() == 6.0


def test_a_node_without_views_is_drawn_in_every_view(manager, scene, qapp):
    import slicer

    node = volume(0.0)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    points.CreateDefaultDisplayNodes()
    manager.viewport().show()
    settle(qapp)
    for view in shown(manager):
        view.mrmlSliceNode().JumpSliceByCentering(7.5, 7.5, 19.0)
    before = [pixels(view) for view in shown(manager)]
    points.AddControlPoint(7.5, 7.5, 19.0, "here")
    assert all((pixels(view) != old).any() for view, old in zip(shown(manager), before))
    red = manager.sliceWidget("Red").mrmlSliceNode().GetID()
    points.GetDisplayNode().SetViewNodeIDs([red])
    changed = [(pixels(view) != old).any() for view, old in zip(shown(manager), before)]
    assert sum(changed) == 1


def pixels(view) -> np.ndarray:
    import qt

    image = view.grab().toImage().convertToFormat(qt.QImage.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint8).copy()


def test_a_view_that_shows_a_volume_without_voxels_is_complained_about(manager, scene, qapp):
    from watch import complaints

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    node.CreateDefaultDisplayNodes()
    manager.sliceWidget("Red").mrmlSliceCompositeNode().SetBackgroundVolumeID(node.GetID())
    settle(qapp)
    assert any("is not optional" in one for one in complaints.heard())


@pytest.mark.parametrize(("points", "wrong"), [(0, True), (1, True), (2, False)])
def test_a_curve_that_makes_no_line_is_complained_about(scene, points, wrong):
    import slicer
    from watch import complaints

    table = scene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(table, np.random.default_rng(0).random((points, 2)), ["x", "y"])
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "loss")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetMarkerStyle(series.MarkerStyleNone)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    view = slicer.qMRMLPlotWidget()
    node = scene.AddNewNodeByClass("vtkMRMLPlotViewNode")
    node.SetPlotChartNodeID(chart.GetID())
    view.setMRMLPlotViewNode(node)
    view.resize(300, 200)
    assert not view.grab().isNull()
    assert any("line with < 2 points" in one for one in complaints.heard()) == wrong
