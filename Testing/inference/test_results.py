"""The results of a scene: listed, one of an image shown at a time, hidden, cleared and brought back."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scaffold import phantoms
from scaffold.radiographs import PEAC, RadiographServer
from scaffold.restoring import GENESIS
from watch.overlay_check import isDrawn, misplaced

COMPARISONS = ("correspond", "similarity", "cosegment", "patchmap")


@pytest.fixture
def logic(make_logic):
    return make_logic("MedSSLInference", RadiographServer())


@pytest.fixture
def three(scene):
    return [phantoms.radiograph(name, seed=seed) for seed, name in enumerate(("first", "second", "third"))]


def compare(logic, name: str, nodes):
    options = {"source": 0, "pointRas": None} if name == "similarity" else {}
    if name == "similarity":
        return logic.similarity(nodes, PEAC, **options)
    return getattr(logic, name)(nodes, PEAC)


def drawn(image) -> list[str]:
    """What is drawn over an image in the view that shows it alone."""
    from MedSSLInferenceLib.scene.results import results

    slicer.util.setSliceViewerLayers(background=image, foreground=None)
    view = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    return sorted(result.kind for result in results() if any(isDrawn(node, view) for node in result.overlays))


def kinds() -> list[str]:
    from MedSSLInferenceLib.scene.results import results

    return [result.kind for result in results()]


def test_of_an_image_the_newest_result_is_shown(logic, three):
    for name, kind in zip(COMPARISONS, ("points", "find", "parts")):
        compare(logic, name, three[:2])
        assert drawn(three[0]) == [kind] and not misplaced()
    compare(logic, "correspond", [three[0], three[2]])
    assert drawn(three[0]) == ["points"] and drawn(three[1]) == [], "the second comparison supersedes the first one's"
    assert kinds() == ["points", "parts", "find", "points"], "the newest first; nothing was removed"


def test_asked_again_a_result_is_filled_anew(logic, three):
    first = compare(logic, "correspond", three[:2])
    compare(logic, "cosegment", three[:2])
    again = compare(logic, "correspond", three[:2])
    assert [a is b for a, b in zip(first.lists, again.lists)] == [True, True]
    assert kinds() == ["points", "parts"] and drawn(three[0]) == ["points"]


def test_any_result_can_be_shown_again_and_hidden(logic, three):
    from MedSSLInferenceLib.scene.results import isShown, results, reveal, setShown

    for name in COMPARISONS:
        compare(logic, name, three[:2])
    byKind = {result.kind: result for result in results()}
    for kind in ("points", "parts", "find"):
        reveal(byKind[kind])
        assert drawn(three[1]) == [kind] and isShown(byKind[kind])
        setShown(byKind[kind], False)
        assert drawn(three[1]) == [] and not isShown(byKind[kind])
    setShown(byKind["points"], True)
    setShown(byKind["parts"], True)
    assert drawn(three[0]) == ["parts", "points"], "by hand the user may look at both"
    assert not byKind["chart"].covers


def test_a_heat_map_comes_and_goes_with_its_result(logic, three):
    from MedSSLInferenceLib.scene.results import find, setShown

    compare(logic, "similarity", three[:2])
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    slicer.util.setSliceViewerLayers(background=three[1], foreground=None)
    result = find("radiographs-1.find")
    setShown(result, True)
    assert composite.GetForegroundVolumeID() == result.layers[0].GetID()
    setShown(result, False)
    assert not composite.GetForegroundVolumeID()
    composite.SetForegroundVolumeID(three[2].GetID())
    setShown(result, True)
    assert composite.GetForegroundVolumeID() == three[2].GetID(), "what the user blends stays"


def test_another_source_leaves_no_map_of_the_last_question(logic, three):
    compare(logic, "similarity", three[:2])
    found = logic.similarity(three[:2], PEAC, 1, None)
    assert found.group.get("heat", 1) is None and found.group.get("match", 1) is None
    assert found.group.get("heat", 0) is not None


def test_a_restoration_is_a_result_and_is_found_again(logic, scene):
    from MedSSLInferenceLib.scene.restorationNodes import restorationOf
    from MedSSLInferenceLib.scene.results import results

    volume = phantoms.volume()
    made = [logic.restore(volume, GENESIS) for _repeated in range(2)]
    found = results()
    assert [result.kind for result in found] == ["restoration"] * 2 and all(r.images == (volume,) for r in found)
    again = restorationOf(found[0])
    assert (again.original, again.error, again.tableNode) == (made[1].original, made[1].error, made[1].tableNode)
    assert again.table[0]["image"] == "distorted" and again.folderName == made[1].folderName


def snapshot() -> dict:
    """Every data node of the scene by its ID: class, name, what it shows, what it refers to."""
    nodes = {}
    for number in range(slicer.mrmlScene.GetNumberOfNodes()):
        node = slicer.mrmlScene.GetNthNode(number)
        if not node.GetSingletonTag() and not node.GetID().startswith(("vtkMRMLSlice", "vtkMRMLSubjectHierarchy")):
            roles = [node.GetNthNodeReferenceRole(n) for n in range(node.GetNumberOfNodeReferenceRoles())]
            refs = {
                r: {node.GetNthNodeReferenceID(r, n) for n in range(node.GetNumberOfNodeReferences(r))} for r in roles
            }
            nodes[node.GetID()] = (node.GetClassName(), node.GetName(), {r: ids for r, ids in refs.items() if ids})
    return nodes


def test_clearing_removes_what_was_made_and_nothing_else(logic, three, scene):
    from MedSSLInferenceLib.scene.clearing import bringBack, clear
    from MedSSLInferenceLib.scene.results import results

    ct = phantoms.volume("ct")
    mine = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "my own points")
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "my region")
    roi.SetCenter(*(phantoms.ijk_to_ras(ct) @ [48, 40, 24, 1])[:3])
    roi.SetSize(400, 400, 400)
    before = set(snapshot())
    for name in COMPARISONS:
        compare(logic, name, three)
    logic.restore(ct, GENESIS, roi=roi)
    logic.correspond([ct, three[0]], PEAC, view="frontal")
    full, number = snapshot(), len(results())
    cleared = clear(results())
    left = set(snapshot())
    assert results() == [] and {mine, roi, ct, *three} <= {scene.GetNodeByID(identifier) for identifier in left}
    new = [scene.GetNodeByID(identifier).GetName() for identifier in left - before]
    assert all("MedSSL heat" in name or "olor" in name for name in new), new
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert not hierarchy.GetItemByName("Restoration of ct"), "no empty folders are left"
    bringBack(cleared)
    assert len(results()) == number and not misplaced()
    again = snapshot()
    assert {key: again[key] for key in full} == full
    assert hierarchy.GetItemByName("Restoration of ct")


def test_clearing_one_keeps_the_others_of_its_images(logic, three):
    from MedSSLInferenceLib.scene.clearing import clear
    from MedSSLInferenceLib.scene.results import find

    compare(logic, "correspond", three[:2])
    compare(logic, "cosegment", three[:2])
    clear([find("radiographs-1.parts")])
    assert kinds() == ["points"] and slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    clear([find("radiographs-1.points")])
    nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    assert kinds() == [] and not [node for node in nodes if node.GetAttribute("MedSSL.images")]


def test_results_of_an_image_that_is_gone_stay_listed_as_incomplete(logic, three, scene):
    from MedSSLInferenceLib.scene.results import find

    compare(logic, "correspond", three[:2])
    scene.RemoveNode(three[1])
    result = find("radiographs-1.points")
    assert not result.complete and result.images == (three[0], None) and not misplaced()


def test_a_corrected_segmentation_is_the_users(make_logic, scene):
    from MedSSLInferenceLib.scene.clearing import isUsers
    from MedSSLInferenceLib.scene.results import results
    from scaffold.tasks import LUNGS, TaskServer

    logic = make_logic("MedSSLInference", TaskServer())
    volume = phantoms.volume("ct")
    node = logic.segment(volume, LUNGS)
    (result,) = results()
    assert result.kind == "segments" and not isUsers(result)
    array = np.ones(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    identifier = node.GetSegmentation().GetNthSegmentID(0)
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, identifier, volume)
    assert isUsers(result)
    scene.RemoveNode(volume)
    (result,) = results()
    assert result.images == (None,) and isUsers(result), "nobody can tell any more"


def test_a_region_is_drawn_over_its_volume_and_not_over_the_results(logic, scene):
    from MedSSLInferenceLib.views.restorationLayout import VIEWS, fourUpSteps
    from MedSSLLib.steps import runSteps

    ct, other = phantoms.volume("ct"), phantoms.volume("other")
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "region")
    roi.CreateDefaultDisplayNodes()
    roi.SetCenter(*(phantoms.ijk_to_ras(ct) @ [48, 40, 24, 1])[:3])
    roi.SetSize(200, 200, 200)
    manager = slicer.app.layoutManager()
    runSteps(fourUpSteps(logic.restore(ct, GENESIS, roi=roi), manager))
    assert not any(isDrawn(roi, manager.sliceWidget(name).mrmlSliceNode()) for name, _colour in VIEWS.values())
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    slicer.util.setSliceViewerLayers(background=ct)
    assert isDrawn(roi, manager.sliceWidget("Red").mrmlSliceNode())
    slicer.util.setSliceViewerLayers(background=other)
    assert not isDrawn(roi, manager.sliceWidget("Red").mrmlSliceNode())
    scene.RemoveNode(ct)
    assert isDrawn(roi, manager.sliceWidget("Red").mrmlSliceNode()), "it is the user's, who would look for it"


def test_a_restored_volume_lies_over_no_other_patient(logic, scene):
    ct, other = phantoms.volume("ct"), phantoms.volume("other")
    result = logic.restore(ct, GENESIS)
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    for below, stays in ((ct, True), (result.original, True), (other, False)):
        slicer.util.setSliceViewerLayers(background=below, foreground=result.error)
        assert bool(composite.GetForegroundVolumeID()) == stays, below.GetName()


def test_cancelled_while_nodes_are_made_nothing_is_left(make_inference, process_until, scene):
    from scaffold.restoring import RestoreServer

    panel = make_inference(RestoreServer(), "restore")
    panel.ui.inputSelector.setCurrentNode(phantoms.volume("chest"))
    panel.connect(process_until)
    before = set(snapshot())
    panel.ui.applyButton.click()
    process_until(lambda: scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 3)
    panel.ui.applyButton.click()
    process_until(lambda: panel.box.state == "idle")
    assert {key for key in set(snapshot()) - before if "Color" not in key} == set()
