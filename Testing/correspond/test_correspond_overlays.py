"""What was computed from one image never lies over another: other views, other images, scenes saved and loaded."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from scaffold import phantoms
from test_correspond_scene import load, save
from watch.overlay_check import isDrawn, misplaced

from medssl.client.volumes import nrrd_bytes


@pytest.fixture
def compared(found, process_until):
    """Points, a search with heat map and match, and parts of two radiographs; the user has made all of them visible."""
    for button in (found.ui.correspondButton, found.ui.cosegmentButton):
        found.finish(button, process_until)
    showAll()
    return found


def showAll() -> None:
    from MedSSLInferenceLib.scene.results import results, setShown

    for result in results():
        setShown(result, True)


def beside(first, second) -> None:
    """As after *Load case*."""
    from MedSSLInferenceLib.views.caseNodes import besideSteps
    from MedSSLLib.steps import runSteps

    runSteps(besideSteps(first, second, slicer.app.layoutManager()))


@pytest.fixture
def other(scene):
    """Another patient's radiograph."""
    return phantoms.radiograph("other patient", seed=2)


def results(group) -> list:
    roles = ("points", "find", "match", "parts")
    return [node for role in roles for node in group.all(role) if node is not None]


def drawnIn(name: str, nodes) -> list[str]:
    """Names of the nodes that a slice view draws."""
    view = slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()
    return [node.GetName() for node in nodes if isDrawn(node, view)]


def show(name: str, image) -> None:
    """As the user does with the view's own selector."""
    composite = slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(image.GetID() if image is not None else None)


def test_a_loaded_case_is_covered_by_nothing(compared, other, process_until):
    nodes, images = results(compared.box.group), compared.images
    assert drawnIn("MedSSLImage1", nodes) and drawnIn("MedSSLImage2", nodes) and len(nodes) == 6
    beside(images[0], other)
    assert not misplaced()
    assert drawnIn("MedSSLImage2", nodes) == [], "nothing lies over the other patient"
    assert all(name.startswith("first") for name in drawnIn("MedSSLImage1", nodes))
    compared.box.show()
    process_until(lambda: not compared.box.showing)
    assert all(name.startswith("second") for name in drawnIn("MedSSLImage2", nodes)) and not misplaced()
    assert len(drawnIn("MedSSLImage1", nodes)) + len(drawnIn("MedSSLImage2", nodes)) == 6, "all of them are there again"


def test_it_holds_after_saving_and_loading(compared, other, scene, tmp_path):
    beside(other, compared.images[1])
    save(scene, tmp_path / "kept")
    scene.Clear(0)
    compared.widget.cleanup()  # not even with the module there
    compared.closed = True
    load(scene, tmp_path / "kept")
    assert scene.GetFirstNodeByName("other patient") is not None and not misplaced()
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    assert len(nodes) == 4 and drawnIn("MedSSLImage1", nodes) == []


def test_a_scene_saved_without_any_binding_is_put_right(compared, other, scene, tmp_path):
    nodes = results(compared.box.group)
    compared.widget.cleanup()
    compared.closed = True
    for node in nodes:
        node.GetDisplayNode().SetViewNodeIDs([])
        node.RemoveAttribute("MedSSL.overlay")
    show("MedSSLImage1", other)
    assert len(misplaced()) == 9, "all six over the other patient, and those of the first image over the second"
    from MedSSLInference import MedSSLInferenceLogic

    MedSSLInferenceLogic()
    assert not misplaced()


def test_every_view_and_every_way_of_choosing_an_image(compared, other):
    nodes, (first, second) = results(compared.box.group), compared.images
    for view in ("Red", "Green", "MedSSLImage1", "MedSSLImage2"):
        for image in (other, second, first, None, other, first):
            show(view, image)
            assert not misplaced(), (view, image)
            drawn = drawnIn(view, nodes)
            assert bool(drawn) == (image in (first, second)), (view, image)
    slicer.util.setSliceViewerLayers(background=other)
    assert not misplaced() and drawnIn("Red", nodes) == []


def test_a_heat_map_leaves_with_its_image(compared, other):
    composite = slicer.app.layoutManager().sliceWidget("MedSSLImage2").mrmlSliceCompositeNode()
    assert composite.GetForegroundVolumeID() == compared.box.group.get("heat", 1).GetID()
    show("MedSSLImage2", other)
    assert not composite.GetForegroundVolumeID()
    composite.SetForegroundVolumeID(compared.images[0].GetID())
    assert composite.GetForegroundVolumeID(), "the user may blend images"


def test_results_of_an_image_that_is_removed_lie_over_no_other(compared, other, scene):
    nodes = compared.box.group.all("points")
    show("Green", other)
    scene.RemoveNode(compared.images[1])
    assert not misplaced() and drawnIn("MedSSLImage2", nodes[1:]) == drawnIn("Green", nodes) == []
    show("MedSSLImage2", other)
    assert not misplaced() and drawnIn("MedSSLImage1", nodes) == ["first correspondences"]


def test_a_heat_map_never_stands_for_an_image_that_is_gone(compared, scene):
    """Where an image is deleted the application shows another volume, whichever it finds."""
    heat = compared.box.group.get("heat", 1)
    scene.RemoveNode(compared.images[1])
    show("MedSSLImage2", heat)
    composite = slicer.app.layoutManager().sliceWidget("MedSSLImage2").mrmlSliceCompositeNode()
    assert not composite.GetBackgroundVolumeID() and not misplaced()


def test_a_point_placed_while_other_images_are_shown(compared, other, process_until):
    from MedSSLInferenceLib.scene.comparison.pointLists import findPoint

    show("MedSSLImage2", other)
    node = findPoint(compared.box.group, 1)
    assert not misplaced() and drawnIn("MedSSLImage2", [node]) == []


def test_a_hidden_result_stays_hidden(compared, other):
    node = compared.box.group.get("points", 1)
    node.GetDisplayNode().SetVisibility(False)
    show("MedSSLImage2", other)
    show("MedSSLImage2", compared.images[1])
    assert drawnIn("MedSSLImage2", [node]) == [], "the user's own choice"


def test_without_views_nothing_is_bound(compared, monkeypatch):
    """Of Slicer without a main window: what opens the scene later, with views, binds its results."""
    from MedSSLInferenceLib.scene import overlayViews

    node = compared.box.group.get("points", 0)
    monkeypatch.setattr(overlayViews, "_composites", lambda: [])
    node.GetDisplayNode().SetViewNodeIDs([])
    overlayViews.bindOverlays()
    assert tuple(node.GetDisplayNode().GetViewNodeIDs()) == ()
    monkeypatch.undo()
    overlayViews.bindOverlays()
    assert tuple(node.GetDisplayNode().GetViewNodeIDs()) == ("vtkMRMLSliceNodeMedSSLImage1",)


@pytest.mark.parametrize("flat", [True, False])
def test_a_segmentation_lies_over_its_own_image_only(found, other, flat):
    from MedSSLInferenceLib.scene.segmentationNodes import segmentationSteps
    from MedSSLInferenceLib.views.segmentViews import showSegmented
    from MedSSLLib.steps import runSteps

    image = found.images[0] if flat else phantoms.volume("ct", (24, 20, 16))
    array = np.ones(slicer.util.arrayFromVolume(image).shape, np.uint8)
    classes = [{"value": 1, "name": "lung", "colour": "#ff0000"}]
    result = SimpleNamespace(table=(), info={"segments": classes})
    steps = segmentationSteps(image, SimpleNamespace(model="m"), result, nrrd_bytes(array, np.eye(4)))
    node = runSteps(steps).node
    show("Red", other)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    showSegmented(image, slicer.app.layoutManager())
    assert drawnIn("Red", [node]) and drawnIn("Green", [node]) and not misplaced()
    show("Red", other)
    assert drawnIn("Red", [node]) == [] and drawnIn("Green", [node]) and not misplaced()
    inThreeD = node.GetDisplayNode().IsDisplayableInView(slicer.util.getNodesByClass("vtkMRMLViewNode")[0].GetID())
    assert inThreeD == (not flat), "a volume's segments are still to be seen in 3D"


@pytest.fixture
def edited(load_module, scene):
    """A segmentation of a T1, and a FLAIR, a T2 and another patient's CT in the scene; the T1 is shown."""
    load_module("MedSSLInference")
    from MedSSLInferenceLib.scene.overlayViews import overlayViews
    from MedSSLInferenceLib.scene.segmentationNodes import emptySegmentation

    from MedSSLInference import MedSSLInferenceLogic

    MedSSLInferenceLogic()
    t1, flair, t2, ct = (phantoms.volume(name, (24, 20, 16)) for name in ("t1", "flair", "t2", "ct"))
    slicer.util.setSliceViewerLayers(background=t1)
    node = emptySegmentation(t1, [{"value": 1, "name": "tumour", "colour": "#ff0000"}])
    yield SimpleNamespace(node=node, t1=t1, flair=flair, t2=t2, ct=ct)
    overlayViews.stop()


def chooseSource(editor, volume, segmentation) -> None:
    """As Segment Editor does: a source newly chosen goes into those views that draw the segmentation, one after another."""
    editor.SetAndObserveSourceVolumeNode(volume)
    for name in slicer.app.layoutManager().sliceViewNames():
        if drawnIn(name, [segmentation]):
            show(name, volume)


def test_a_segmentation_is_seen_over_the_volumes_it_is_edited_on(edited, scene, process_until):
    editor = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetAndObserveSegmentationNode(edited.node)
    for source in (edited.t1, edited.t2, edited.flair, edited.t2):
        chooseSource(editor, source, edited.node)
        for view in ("Red", "Green", "Yellow"):
            composite = slicer.app.layoutManager().sliceWidget(view).mrmlSliceCompositeNode()
            assert composite.GetBackgroundVolumeID() == source.GetID(), (view, source.GetName())
            assert drawnIn(view, [edited.node]), (view, source.GetName())
        assert not misplaced()
    show("Green", edited.flair)
    slicer.app.processEvents()
    assert drawnIn("Green", [edited.node]) == [], "no longer the source"
    show("Red", edited.ct)
    assert drawnIn("Red", [edited.node]) == [] and drawnIn("Yellow", [edited.node]) and not misplaced()
    editor.SetAndObserveSegmentationNode(None)
    slicer.app.processEvents()
    assert drawnIn("Yellow", [edited.node]) == [] and not misplaced(), "the editor has let go of it"


def test_a_segmentation_is_seen_over_the_further_channels_of_its_volume(edited):
    from MedSSLLib.channels.channelNodes import setFurther

    setFurther(edited.t1, 1, edited.flair)
    for volume, seen in ((edited.flair, True), (edited.t2, False), (edited.t1, True), (edited.ct, False)):
        show("Red", volume)
        assert bool(drawnIn("Red", [edited.node])) == seen and not misplaced(), volume.GetName()
