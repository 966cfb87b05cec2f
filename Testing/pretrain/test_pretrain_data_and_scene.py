"""The pretrain panel's training sets and its choices in the scene: folder, table, loaded, closed and changed scenes."""

from __future__ import annotations

import slicer
from scaffold import phantoms
from scaffold.inference_panel import choose
from scaffold.jobs import STEPS
from scaffold.pretrain_panel import start


def test_folder_and_table(panel, process_until):
    ui = panel.ui
    panel.backendUi.startButton.click()
    ui.sourceCombo.currentIndex = 1
    assert ui.startButton.toolTip == "Choose a folder"
    ui.folderPath.currentPath = "/data/chest"
    assert ui.startButton.enabled
    ui.checkButton.click()
    process_until(lambda: "12 volumes" in ui.dataSummary.text)
    ui.sourceCombo.currentIndex = 2
    assert not ui.startButton.enabled and not ui.dataSummary.text.isspace()
    assert panel.panel.dataBox.missing() == "Choose a table"
    ui.csvPath.currentPath = "/data/chest.csv"
    assert ui.startButton.enabled
    ui.csvPath.currentPath = ""
    assert not ui.startButton.enabled


def test_choices_are_kept_in_the_scene(panel, make_pretrain):
    node = phantoms.volume()
    panel.ui.volumesSelector.check(node)
    panel.ui.nameEdit.text = "kept"
    panel.ui.modalityCombo.currentIndex = 1
    panel.ui.folderPath.currentPath = "/data"
    again = make_pretrain()
    assert again.ui.nameEdit.text == "kept" and again.ui.volumesSelector.checkedNodes() == (node,)
    assert again.ui.modalityCombo.currentData == "CT" and again.ui.folderPath.currentPath == "/data"


def test_a_scene_closed_while_the_panel_is_hidden_goes_on_keeping_choices(panel):
    panel.parent.hide()
    slicer.mrmlScene.Clear(0)
    panel.ui.folderPath.currentPath = "/data"
    assert panel.widget.logic.getParameterNode().folder == "/data"
    panel.widget.exit()
    slicer.mrmlScene.Clear(0)
    panel.ui.folderPath.currentPath = "/elsewhere"
    assert panel.widget.logic.getParameterNode().folder == ""


def test_a_volume_removed_meanwhile_is_not_missed(panel, make_pretrain):
    nodes = [phantoms.volume(f"chest {n}") for n in (1, 2)]
    for node in nodes:
        panel.ui.volumesSelector.check(node)
    panel.widget.exit()
    slicer.mrmlScene.RemoveNode(nodes[0])
    assert make_pretrain().ui.volumesSelector.checkedNodes() == (nodes[1],)


def test_a_loaded_scene_brings_its_choices(panel, tmp_path):
    panel.parent.show()
    panel.ui.volumesSelector.check(phantoms.volume())
    panel.ui.modalityCombo.currentIndex = panel.ui.modalityCombo.findData("CT")
    panel.ui.folderPath.currentPath = "/data"
    slicer.mrmlScene.SetURL(str(tmp_path / "kept.mrml"))
    assert slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear(0)
    assert panel.ui.modalityCombo.currentData == "" and panel.ui.folderPath.currentPath == ""
    slicer.mrmlScene.SetURL(str(tmp_path / "kept.mrml"))
    assert slicer.mrmlScene.Import()
    assert panel.ui.modalityCombo.currentData == "CT" and panel.ui.folderPath.currentPath == "/data"
    assert [node.GetName() for node in panel.ui.volumesSelector.checkedNodes()] == ["phantom"]


def test_the_chart_needs_no_view_of_the_layout(panel):
    """Slicer's layout makes a widget for every view node that has no other parent."""
    panel.ui.runSection.collapsed = False
    chart = panel.panel.runBox.chart
    assert chart.viewNode.GetParentLayoutNode() is chart.chart


def test_closing_the_scene(ready, process_until):
    start(ready, process_until, "finished")
    slicer.mrmlScene.Clear(0)
    assert not ready.ui.startButton.enabled
    ready.ui.volumesSelector.check(phantoms.volume())
    ready.ui.startButton.click()
    process_until(lambda: len(ready.server.jobs) == 2)
    job, runBox = ready.server.jobs[1].id, ready.panel.runBox
    process_until(lambda: runBox.view is not None and runBox.view.id == job and not runBox.active)
    assert len(runBox.chart.points("loss")) == STEPS


def test_radiographs_of_the_scene(ready, process_until, grab):
    """2D images of the scene, and a volume that becomes one; crops and their distortions in the views."""
    ui = ready.ui
    ready.parent.show()
    assert not ui.viewCombo.visible
    choose(ui.methodCombo, "peac")
    assert ui.viewCombo.visible and ui.startButton.toolTip == "Choose what becomes of 3D volumes"
    choose(ui.viewCombo, "frontal")
    assert ui.startButton.enabled
    ui.volumesSelector.check(phantoms.radiograph("radiograph", (64, 60)))
    ui.volumesSelector.check(phantoms.picture("png"))
    choose(ui.modalityCombo, "CXR")
    ui.previewButton.click()
    process_until(lambda: ready.panel.dataBox.previewNodes or ui.dataError.text)
    assert not ui.dataError.text, ui.dataError.text
    for node in ready.panel.dataBox.previewNodes:
        assert node.GetImageData().GetDimensions()[2] == 1
        assert phantoms.ijk_to_ras(node)[0, 0] < 0 and phantoms.ijk_to_ras(node)[1, 1] < 0, "upright"
    ready.grab(grab, "radiographs")
    grab(slicer.app.layoutManager().viewport(), "pretrain-radiographs-preview", 900, 560)
    start(ready, process_until, "running")
    data = ready.server.jobs[-1].spec.data
    assert [ref.view for ref in data.volumes] == ["frontal", "frontal", "", ""] and data.modality == "CXR"
    assert ready.server.jobs[-1].spec.method == "peac"


def test_rows_of_a_table_are_left_out(panel, process_until):
    ui = panel.ui
    panel.backendUi.startButton.click()
    assert not ui.excludeEdit.visible
    choose(ui.sourceCombo, "table")
    ui.csvPath.currentPath = "/data/nih.csv"
    ui.excludeEdit.text = "view"
    assert "is not of the form column=value" in ui.startButton.toolTip
    ui.excludeEdit.text = "view=LATERAL, sex=F"
    assert ui.startButton.enabled and panel.panel.dataBox.chosen().exclude == ("view=LATERAL", "sex=F")
    assert panel.widget._parameterNode.exclude == "view=LATERAL, sex=F"


def test_without_radiographs(panel):
    choose(panel.ui.methodCombo, "peac")
    assert panel.panel.dataBox.missing() == "Load radiographs first (or take sample data)"


def test_a_volume_that_comes_is_told_to_the_start_button(make_pretrain, process_until):
    """Other parts of the panel hear the signal; in the application nothing else told them."""
    told, box = [], make_pretrain().panel.dataBox
    box.changed.connect(lambda: told.append(box.missing()))
    phantoms.volume("chest")
    process_until(lambda: told)
    assert told[-1] == "Tick at least one volume"
