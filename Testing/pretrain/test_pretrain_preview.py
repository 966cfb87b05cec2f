"""The preview in the views: known before it is asked for, opened where it can be seen, kept with the scene."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer
from MedSSLPretrainLib.views.previewLayout import LAYOUT_ID, VIEWS
from scaffold import phantoms

CONVENTIONAL = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView


@pytest.fixture
def manager(scene):
    """The layout manager of an application that does not know the layout yet."""
    manager = slicer.app.layoutManager()
    manager.setLayout(CONVENTIONAL)
    manager.layoutLogic().GetLayoutNode().SetLayoutDescription(LAYOUT_ID, "")
    manager.viewport().show()
    yield manager
    manager.setLayout(CONVENTIONAL)


def preview(panel, process_until):
    """Click, and wait until it is shown."""
    panel.panel.dataBox.previewNodes = ()
    panel.ui.previewButton.click()
    process_until(lambda: panel.panel.dataBox.previewNodes or panel.ui.dataError.text)
    assert not panel.ui.dataError.text, panel.ui.dataError.text
    return panel.panel.dataBox.previewNodes


def linked(manager) -> bool:
    """Whether the views are left to the user."""
    return all(manager.sliceWidget(view).mrmlSliceCompositeNode().GetLinkedControl() for view in VIEWS)


def test_the_layout_is_known_when_the_application_has_started(manager, load_module):
    node = manager.layoutLogic().GetLayoutNode()
    assert not node.IsLayoutDescription(LAYOUT_ID)
    layouts, slicer.app._layoutManager = slicer.app._layoutManager, None  # modules are loaded before there is a window
    load_module("MedSSLPretrain")
    slicer.app._layoutManager = layouts
    assert not node.IsLayoutDescription(LAYOUT_ID)
    slicer.app.startupCompleted.emit()
    assert node.IsLayoutDescription(LAYOUT_ID)


def test_a_module_loaded_later_makes_its_layout_known(manager, load_module):
    load_module("MedSSLPretrain")
    assert manager.layoutLogic().GetLayoutNode().IsLayoutDescription(LAYOUT_ID)


@pytest.mark.complains("Can't find layout")
def test_a_scene_that_was_opened_before_gets_its_views(manager, load_module):
    manager.layoutLogic().GetLayoutNode().SetViewArrangement(LAYOUT_ID)  # as reading a scene does
    assert not set(VIEWS) & set(manager.sliceViewNames())
    load_module("MedSSLPretrain")
    assert set(manager.sliceViewNames()) == set(VIEWS)


def test_it_opens_at_the_middle_although_the_sliders_answer_late(manager, ready, process_until):
    """What the sliders held before overwrites an offset that is set too early."""
    original, distorted = preview(ready, process_until)
    nodes = [manager.sliceWidget(view).mrmlSliceNode() for view in VIEWS]
    process_until(lambda: linked(manager))
    for node, volume in zip(nodes, (original, distorted)):
        assert kOf(node, volume) == pytest.approx((volume.GetImageData().GetDimensions()[2] - 1) // 2, abs=0.01)


def kOf(sliceNode, volume) -> float:
    """The slice of a volume that a view shows."""
    matrix = np.linalg.inv(phantoms.ijk_to_ras(volume))
    center = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())[:, 3]
    return float((matrix @ center)[2])


def test_the_second_preview_takes_the_place_of_the_first(manager, ready, process_until):
    preview(ready, process_until)
    second = preview(ready, process_until)
    assert [node.GetName() for node in second] == ["Preview: samples", "Preview: distorted"]
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert len(volumes) == 4, "two of the user's, two of the preview"
    shown = [manager.sliceWidget(view).mrmlSliceCompositeNode().GetBackgroundVolumeID() for view in VIEWS]
    assert shown == [node.GetID() for node in second]


def test_a_preview_is_shown_in_portions(manager, ready, process_until, monkeypatch):
    """Each node by itself, and the views after the layout has made them: nothing holds the application up."""
    from MedSSLPretrainLib.views import previewNodes

    loops, events = [0], []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: loops.__setitem__(0, loops[0] + 1))
    timer.start(0)
    for name in ("_keep", "showInViews"):
        before = getattr(previewNodes, name)
        monkeypatch.setattr(
            previewNodes, name, lambda *given, n=name, f=before: (events.append((n, loops[0])), f(*given))[1]
        )
    preview(ready, process_until)
    timer.stop()
    assert [name for name, _loop in events] == ["_keep", "_keep", "showInViews"]
    assert len({loop for _name, loop in events}) == 3


def test_a_scene_saved_in_the_preview_reopens_with_it(manager, ready, process_until, tmp_path):
    """In a fresh application, which knows the layout from its start."""
    nodes = preview(ready, process_until)
    process_until(lambda: linked(manager))
    offset = manager.sliceWidget(VIEWS[0]).mrmlSliceNode().GetSliceOffset()
    for number, node in enumerate(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")):
        storage = node.GetStorageNode() or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        node.SetAndObserveStorageNodeID(storage.GetID())
        storage.SetFileName(str(tmp_path / f"{number}.nrrd"))
        assert storage.WriteData(node)
    slicer.mrmlScene.SetURL(str(tmp_path / "kept.mrml"))
    assert slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear(0)
    manager.setLayout(CONVENTIONAL)
    slicer.mrmlScene.SetURL(str(tmp_path / "kept.mrml"))
    assert slicer.mrmlScene.Import()
    assert manager.layout == LAYOUT_ID and set(manager.sliceViewNames()) == set(VIEWS)
    widget = manager.sliceWidget(VIEWS[0])
    shown = slicer.mrmlScene.GetNodeByID(widget.mrmlSliceCompositeNode().GetBackgroundVolumeID())
    assert shown.GetName() == "Preview: samples" and shown.GetImageData() is not None
    assert widget.mrmlSliceNode().GetSliceOffset() == pytest.approx(offset, abs=0.01)
    ready.widget.enter()
    assert ready.ui.previewButton.enabled, ready.ui.previewButton.toolTip
    again = preview(ready, process_until)
    assert [node.GetID() for node in again] == [node.GetID() for node in nodes], "found again"


def test_only_volumes_of_the_user_are_offered(manager, ready, process_until):
    """Neither previews nor what the other module made: heat maps, restorations, simulated radiographs."""
    ready.parent.show()
    preview(ready, process_until)
    for attribute in ("MedSSL.group", "MedSSL.overlay", "MedSSL.saliency"):
        phantoms.volume("heat map", (24, 20, 16)).SetAttribute(attribute, "1")
    phantoms.volume("restored", (24, 20, 16)).SetNodeReferenceID(
        "MedSSL.source", ready.panel.dataBox.previewNodes[0].GetID()
    )
    phantoms.volume("case", (24, 20, 16)).SetAttribute(
        "MedSSL.case", "/images/3.nrrd"
    )  # a patient's image of the user's
    table = ready.panel.finetuneBox.ui.volumesTable
    process_until(lambda: table.rowCount == 3)
    slicer.app.processEvents()
    assert [table.item(row, 0).text() for row in range(3)] == ["chest 1", "chest 2", "case"]
    assert ready.ui.volumesSelector.nodeCount() == 3
    assert [node.GetName() for node in ready.ui.volumesSelector.checkedNodes()] == ["chest 1", "chest 2"]
