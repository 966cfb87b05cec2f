"""Slice views that open where the program says, although their sliders answer late."""

from __future__ import annotations

import pytest
import qt
import slicer
from scaffold import phantoms

VIEWS = ("Red", "Yellow", "Green")


@pytest.fixture
def shown(scene):
    """A volume far away from 0 in the views of the conventional layout."""
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    node = phantoms.volume("far", (24, 20, 16))
    slicer.util.setSliceViewerLayers(background=node)
    manager.viewport().show()
    slicer.app.processEvents()
    return node


def hold(node, settled=lambda: None) -> dict[str, float]:
    from MedSSLLib.scene.sliceOffsets import holdOffsets, middleOffset

    manager = slicer.app.layoutManager()
    wanted = {name: middleOffset(sliceNode(name), node) for name in VIEWS}
    holdOffsets(manager, wanted, settled)
    return wanted


def sliceNode(name: str):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def offsets() -> list[float]:
    return [sliceNode(name).GetSliceOffset() for name in VIEWS]


def test_a_slider_that_answers_late_does_not_win(shown, process_until):
    ended = []
    wanted = hold(shown, lambda: ended.append(True))
    for _loop in range(3):  # each answer of a view's controller comes from the event loop
        for name in VIEWS:
            qt.QTimer.singleShot(0, lambda name=name: sliceNode(name).SetSliceOffset(0.0))
        process_until(lambda: offsets() == pytest.approx(list(wanted.values())))
        slicer.app.processEvents()
    process_until(lambda: ended)
    assert offsets() == pytest.approx(list(wanted.values())) and 0.0 not in wanted.values()


def test_afterwards_the_view_is_the_users(shown, process_until):
    ended = []
    hold(shown, lambda: ended.append(True))
    process_until(lambda: ended)
    sliceNode("Red").SetSliceOffset(-280.0)
    assert sliceNode("Red").GetSliceOffset() == pytest.approx(-280.0)


def test_an_action_of_the_user_ends_it_at_once(shown, monkeypatch, process_until):
    from MedSSLLib.scene import sliceOffsets

    hold(shown, lambda: pytest.fail("the views are not as the program wanted"))
    monkeypatch.setattr(slicer.app, "mouseButtons", lambda: qt.Qt.LeftButton)
    process_until(lambda: not sliceOffsets._holds)
    sliceNode("Red").SetSliceOffset(-280.0)
    assert sliceNode("Red").GetSliceOffset() == pytest.approx(-280.0)


def test_what_is_shown_next_takes_over(shown, process_until):
    from MedSSLLib.scene.sliceOffsets import holdOffsets

    ended = []
    hold(shown, lambda: pytest.fail("it was shown no more"))
    holdOffsets(slicer.app.layoutManager(), {"Red": -275.0}, lambda: ended.append(True))
    process_until(lambda: ended)
    assert sliceNode("Red").GetSliceOffset() == pytest.approx(-275.0)


def test_a_scene_that_is_closed_meanwhile(shown, scene):
    from MedSSLLib.scene import sliceOffsets

    hold(shown, lambda: pytest.fail("what was shown is gone"))
    scene.Clear(0)
    assert not sliceOffsets._holds
    for _ in range(4):
        slicer.app.processEvents()  # the sliders answer
    sliceNode("Red").SetSliceOffset(-280.0)  # as the next scene's views stand
    slicer.app.processEvents()
    assert sliceNode("Red").GetSliceOffset() == pytest.approx(-280.0)


@pytest.mark.parametrize("oblique", [False, True])
def test_the_middle_slice_lies_on_voxel_centres(scene, oblique):
    from MedSSLLib.scene.sliceOffsets import middleOffset

    node = phantoms.volume("tilted", (24, 20, 16), oblique)
    view = sliceNode("Red")
    view.SetOrientation("Axial")
    view.RotateToVolumePlane(node)
    view.SetSliceOffset(middleOffset(view, node))
    places = phantoms.ijk_to_ras(node)
    rasToSlice = slicer.vtkMRMLSliceNode.GetSliceToRAS(view)
    normal = [rasToSlice.GetElement(row, 2) for row in range(3)]
    centre = (places @ [11.5, 9.5, 7, 1])[:3]
    assert view.GetSliceOffset() == pytest.approx(sum(a * b for a, b in zip(normal, centre)), abs=1e-4)
