"""The section "Similar cases", clicked, and its console: a gallery whose cases come into the scene."""

from __future__ import annotations

import pytest
import qt
import slicer
from refusals import refused
from scaffold import phantoms
from scaffold.cases import ARK, DATASET_SPEC, PEAC, CaseServer, write_cases

from medssl.client.backend import ServerAddress
from medssl.core.errors import CatalogError
from medssl.core.protocol import DataSpec


@pytest.fixture
def panel(make_inference, tmp_path):
    """The panel over a backend of this computer that is down."""
    address = ServerAddress("http://127.0.0.1:8765", "token", 4711)
    panel = make_inference(CaseServer(tmp_path / "cases"), "retrieve", address=address)
    panel.gallery = panel.ui.caseGallery
    return panel


@pytest.fixture
def ready(panel, process_until):
    """A radiograph is loaded, the backend is up, an Ark is chosen, and a folder with three of the cases' files."""
    write_cases(panel.server.folder, (1, 2, 3))
    panel.source = phantoms.radiograph("visit 1", (120, 100))
    panel.ui.retrieveSelector.setCurrentNode(panel.source)
    panel.connect(process_until)
    panel.choose(ARK)
    panel.ui.retrieveSection.collapsed = False
    panel.ui.amongPath.currentPath = "/data/chests"
    return panel


@pytest.fixture
def found(ready, process_until):
    """The search has ended."""
    ready.finish(ready.ui.retrieveButton, process_until)
    return ready


def texts(gallery) -> list[str]:
    return [gallery.item(n).text() for n in range(gallery.count)]


def test_nothing_chosen(panel, process_until, grab):
    panel.connect(process_until)
    panel.choose(ARK)
    assert panel.box.section.enabled and panel.box.section.collapsed, "it does not push itself before the others"
    wishes = "To search: load a radiograph or a volume, choose the images to search among."
    assert panel.ui.retrieveStatus.text == wishes and not panel.ui.retrieveButton.enabled
    assert not panel.gallery.visible and not panel.ui.loadCaseButton.visible
    panel.ui.retrieveSection.collapsed = False
    panel.grab(grab, "retrieve-nothing-loaded")


def test_search(ready, scene, process_until, grab):
    ui = ready.ui
    ready.grab(grab, "retrieve-ready")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(ready.source), study)
    ready.source.SetAttribute("MedSSL.Patient", "00042")
    ui.retrieveCountSpin.value, ui.samePatientCheck.checked = 4, True
    ready.finish(ui.retrieveButton, process_until)
    request, found = ready.server.asked[0], ready.box.found
    assert (request.model, request.count, request.same_patient, request.features) == (ARK, 4, True, "projector")
    assert request.data == DataSpec(path="/data/chests") and request.volume.patient == "00042"
    assert len(ready.server.volumes) == 1, "the radiograph was uploaded"
    assert texts(ready.gallery)[1:3] == ["2: 0.950\n00002", "3: 0.930\n00003\nMass"]
    assert texts(ready.gallery)[0] == "1: 0.970\n00001\nPleural Thickening, Mas..."
    icon = ready.gallery.item(0).icon().pixmap(ready.gallery.iconSize)
    assert not icon.isNull() and icon.width() == 92 and icon.height() < 92, "its aspect is kept"
    assert "755 images searched. 755 of them were described now, in 21 s." in ui.retrieveStatus.text
    assert ui.caseLabel.text.startswith("Case 1: case_1, patient 00001, similarity 0.970, distance 0.245.")
    assert ui.caseLabel.text.endswith("Pleural Thickening, Mass, Effusion, Consolidation. sex M, age 41")
    table = found.tableNode
    assert table.GetName() == "Cases similar to visit 1" and table.GetNumberOfRows() == 4
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table)) == found.folder
    assert hierarchy.GetItemParent(found.folder) == study, "beside the radiograph"
    ready.grab(grab, "retrieve-finished")


def test_a_double_click_loads_a_case_beside_the_image(found, scene, process_until, grab):
    gallery = found.gallery
    gallery.setCurrentRow(2)
    assert found.ui.caseLabel.text.startswith("Case 3: case_3")
    gallery.itemDoubleClicked.emit(gallery.item(2))
    process_until(lambda: found.box.state == "finished" and found.box.loaded is not None and not found.box.showing)
    node, manager = found.box.loaded, slicer.app.layoutManager()
    assert node.GetName() == "case_3" and node.GetImageData().GetDimensions() == (120, 100, 1), (
        "numbered files stay single"
    )
    assert node.GetAttribute("MedSSL.Patient") == "00003" and node.GetAttribute("MedSSL.findings") == "Mass"
    composites = [manager.sliceWidget(name).mrmlSliceCompositeNode() for name in manager.sliceViewNames()]
    assert [one.GetBackgroundVolumeID() for one in composites] == [found.source.GetID(), node.GetID()]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == found.box.found.folder
    assert "case_3 is in the scene" in found.ui.retrieveStatus.text
    assert "/inspect/plane" not in " ".join(found.server.calls), "the file is this computer's"
    grab(manager.viewport(), "retrieve-views", 900, 460)
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    found.finish(found.ui.loadCaseButton, process_until)
    assert found.box.loaded is node and scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == count


def test_a_backend_on_another_computer_sends_the_image(ready, process_until):
    ready.transport.address = ServerAddress("http://127.0.0.1:8765", "token")
    ready.finish(ready.ui.retrieveButton, process_until)
    ready.finish(ready.ui.loadCaseButton, process_until)
    assert "POST /inspect/plane" in ready.server.calls
    assert ready.box.loaded.GetImageData().GetDimensions() == (60, 50, 1) and ready.box.loaded.GetName() == "case_1"


@pytest.mark.complains("case_1|returned failure|not a nrrd file|instantiate a file reader")
def test_a_format_that_slicer_does_not_read(found, process_until):
    (found.server.folder / "case_1.nrrd").write_bytes(b"no image")
    found.finish(found.ui.loadCaseButton, process_until)
    assert "POST /inspect/plane" in found.server.calls and found.box.loaded.GetAttribute("MedSSL.case").endswith(
        "1.nrrd"
    )


def test_a_file_that_has_gone(found, process_until, grab):
    found.gallery.setCurrentRow(4)
    found.ui.loadCaseButton.click()
    process_until(lambda: found.box.state == "failed")
    said = found.ui.retrieveError.text.replace("\u200b", "")  # where long paths may be broken
    assert "case_5.nrrd" in said and "is not there any more" in said
    assert found.gallery.count == 5, "the others can still be loaded"
    found.grab(grab, "retrieve-file-gone")
    found.gallery.setCurrentRow(0)
    found.finish(found.ui.loadCaseButton, process_until)
    assert not found.ui.retrieveError.visible


def test_cancel_and_failure(ready, scene, process_until, grab):
    ready.server.polls = None
    ready.ui.retrieveButton.click()
    process_until(lambda: ready.ui.retrieveProgress.value == 40)
    assert ready.ui.retrieveButton.text == "Cancel" and not ready.ui.amongPath.enabled
    ready.grab(grab, "retrieve-running")
    ready.ui.retrieveButton.click()
    process_until(lambda: ready.box.state == "idle")
    assert ready.ui.retrieveStatus.text == "Cancelled" and scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0
    ready.server.polls, ready.server.fails = 1, CatalogError("chests", "holds no images", "Choose another folder")
    ready.ui.retrieveButton.click()
    process_until(lambda: ready.box.state == "failed")
    assert "holds no images" in ready.ui.retrieveError.text and not ready.gallery.visible


def test_a_new_search_replaces_the_gallery(found, process_until):
    found.ui.retrieveCountSpin.value = 2
    found.finish(found.ui.retrieveButton, process_until)
    assert found.gallery.count == 2 and found.gallery.currentRow == 0
    assert found.box.found.tableNode.GetName() == "Cases similar to visit 1 (2)", "the first table stays"


def test_a_model_without_embeddings(ready):
    ready.choose("20261123-lungs")
    assert not ready.box.section.enabled and ready.box.section.collapsed and not ready.ui.retrieveButton.enabled
    assert "The chosen model is of segmentation" in ready.box.section.toolTip
    ready.choose(PEAC)
    assert ready.box.section.enabled and ready.ui.retrieveButton.enabled


def test_3d_volumes_become_radiographs(ready, process_until):
    assert not ready.ui.retrieveViewCombo.visible
    ready.ui.retrieveSelector.setCurrentNode(phantoms.volume("chest", (64, 56, 32)))
    combo = ready.ui.retrieveViewCombo
    assert combo.visible
    combo.setCurrentIndex(combo.findData("frontal"))
    ready.finish(ready.ui.retrieveButton, process_until)
    assert ready.server.asked[0].volume.view == "frontal"


def test_choices_live_in_the_scene(found):
    node = found.widget.logic.getParameterNode()
    assert node.retrieveVolume is found.source and node.retrieveAmong == "/data/chests"
    assert (node.retrieveCount, node.retrieveSamePatient) == (8, False)
    slicer.mrmlScene.Clear(0)
    assert found.box.found is None and not found.gallery.visible and not found.ui.retrieveButton.enabled


def test_the_folder_button(panel, monkeypatch):
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: "/data/chests"))
    panel.ui.amongFolderButton.click()
    assert panel.ui.amongPath.currentPath == "/data/chests"
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: ""))
    panel.ui.amongFolderButton.click()
    assert panel.ui.amongPath.currentPath == "/data/chests", "cancelled"


@pytest.fixture
def logic(make_logic, tmp_path):
    return make_logic("MedSSLInference", CaseServer(tmp_path / "cases"))


def test_console(logic):
    query = phantoms.radiograph("visit 1", (120, 100))
    found = logic.retrieve(query, "/data/chests/set.yaml", ARK, count=3, features="encoder")
    request = logic.server.asked[0]
    assert request.data.sets == (DATASET_SPEC,) and (request.count, request.features) == (3, "encoder")
    assert [row["patient"] for row in found.table] == ["00001", "00002", "00003"] and len(found.pictures) == 3
    assert logic.loadCase(found, 2).GetName() == "case_2"
    with refused("rank-unknown", names=["rank 4", "3 cases"]):
        logic.loadCase(found, 4)
    slicer.mrmlScene.RemoveNode(query)
    with refused("node-removed", names="visit 1"):
        logic.loadCase(found, 1)


def test_console_refuses_before_anything_is_sent(logic, scene):
    with refused("input-missing", names="volume"):
        logic.retrieve(None, "/data", ARK)
    with refused("no-voxels", names="empty"):
        logic.retrieve(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"), "/data", ARK)
    with refused("input-missing", names="set of images"):
        logic.retrieve(phantoms.radiograph("visit 1", (120, 100)), "", ARK)
    assert not logic.server.calls
