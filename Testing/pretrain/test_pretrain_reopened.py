"""The pretrain panel over a scene that is closed, saved and loaded again: its choices come back and count, jobs stay followed."""

from __future__ import annotations

import pytest
import slicer
from scaffold import phantoms
from scaffold.datasets import CLINIC, HOSPITAL, SetsServer
from scaffold.inference_panel import choose
from scaffold.jobs import STEPS
from scaffold.pretrain_panel import start


def declare(panel, _tmp_path) -> None:
    choose(panel.ui.methodCombo, "ark")
    panel.sets.add(HOSPITAL)
    panel.sets.add(CLINIC)


def tickVolumes(panel, _tmp_path) -> None:
    for number in (1, 2):
        node = phantoms.volume(f"chest {number}", (24, 20, 16))
        panel.ui.volumesSelector.check(node)


def chooseFolder(panel, _tmp_path) -> None:
    choose(panel.ui.sourceCombo, "folder")
    panel.ui.folderPath.currentPath = "/data/chest"


def chooseTable(panel, _tmp_path) -> None:
    choose(panel.ui.methodCombo, "peac")
    choose(panel.ui.sourceCombo, "table")
    panel.ui.csvPath.currentPath = "/data/chest.csv"
    panel.ui.excludeEdit.text = "view=LATERAL"


def reopen(panel, tmp_path) -> None:
    """Save the scene, close it, load it."""
    slicer.mrmlScene.SetURL(str(tmp_path / "kept.mrml"))
    assert slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.SetURL(str(tmp_path / "kept.mrml"))
    assert slicer.mrmlScene.Import()


@pytest.mark.parametrize("choice", [declare, tickVolumes, chooseFolder, chooseTable])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_reopened_scene_is_ready_as_its_choices_say(make_pretrain, process_until, tmp_path, choice, fresh):
    """In the panel that saved it, and in one of another Slicer."""
    panel = make_pretrain(SetsServer())
    panel.parent.show()
    panel.backendUi.startButton.click()
    process_until(lambda: panel.sets.ui.addSetCombo.count > 2)
    choice(panel, tmp_path)
    before = (panel.panel.dataBox.chosen(), panel.panel.methodBox.spec())
    if fresh:
        panel.close()
        panel = make_pretrain(panel.server)
        panel.parent.show()
        panel.backendUi.startButton.click()
    reopen(panel, tmp_path)
    for button in (panel.ui.checkButton, panel.ui.previewButton, panel.ui.startButton):
        assert button.enabled, button.toolTip
    again = panel.panel.dataBox.chosen()
    assert (again.sets, again.path, again.exclude) == (before[0].sets, before[0].path, before[0].exclude)
    assert [v.GetName() for v in again.volumes] == [f"chest {n}" for n in range(1, 1 + len(before[0].volumes))]
    assert panel.panel.methodBox.spec() == before[1]


def test_edited_settings_come_back_with_the_scene(make_pretrain, tmp_path):
    panel = make_pretrain()
    panel.parent.show()
    choose(panel.ui.methodCombo, "peac")
    panel.panel.methodBox.setPreset("default")
    panel.panel.methodBox.form.fields["training"].fields["steps"].widget.value = 77
    tasks = panel.panel.finetuneBox.tasks
    choose(panel.panel.finetuneBox.ui.methodCombo, "classification")
    tasks.form.fields["training"].fields["steps"].widget.value = 33
    panel.close()
    again = make_pretrain()
    again.parent.show()
    reopen(again, tmp_path)
    name, config = again.panel.methodBox.spec()
    assert name == "peac" and config["training"]["steps"] == 77
    assert again.ui.presetCombo.currentData == "default" and "training.steps" in again.ui.presetCombo.toolTip
    name, config = again.panel.finetuneBox.tasks.spec()
    assert name == "classification" and config["training"]["steps"] == 33


def test_a_comparison_comes_back_with_the_scene(make_pretrain, tmp_path):
    panel = make_pretrain()
    panel.parent.show()
    box = panel.panel.compareBox
    box.arms.add("Ark", "/models/ark.safetensors")
    box.ui.sizesEdit.text, box.ui.seedsSpin.value = "0.1, 1", 3
    choose(box.ui.unitCombo, "fractions")
    choose(box.ui.referenceCombo, "Ark")
    before = box.choices()
    panel.close()
    again = make_pretrain()
    again.parent.show()
    assert len(again.panel.compareBox.arms.arms) == 2, "the scene is still there"
    reopen(again, tmp_path)
    assert again.panel.compareBox.choices() == before and before["reference"] == "Ark"


def test_settings_of_another_version_are_taken_as_far_as_they_are_known(panel):
    node = panel.widget.logic.getParameterNode()
    panel.widget.exit()
    node.method, node.preset, node.config = "peac", "gone", '{"training": {"steps": 5, "unknown": 1}, "old": 2}'
    panel.widget.enter()
    name, config = panel.panel.methodBox.spec()
    assert name == "peac" and config["training"]["steps"] == 5 and "old" not in config
    panel.widget.exit()
    node.method = "of tomorrow"
    panel.widget.enter()
    assert panel.panel.methodBox.name == "peac"


def test_a_backend_of_another_version_leaves_the_choice(panel):
    choose(panel.ui.methodCombo, "peac")
    panel.panel.methodBox.form.fields["training"].fields["steps"].widget.value = 7
    box = panel.panel.methodBox
    box.setMethods([{**method, "description": "newer"} for method in box.methods])
    assert box.name == "peac" and box.spec()[1]["training"]["steps"] == 7


def test_a_closed_scene_leaves_the_running_job_followed(ready, process_until):
    runBox = ready.panel.runBox
    ready.server.pace = 4
    start(ready, process_until, "running")
    process_until(lambda: len(runBox.chart.points("loss")) > 20)
    job = runBox.view.id
    slicer.mrmlScene.Clear(0)
    assert runBox.view.id == job and "No job" not in ready.ui.jobLabel.text
    process_until(lambda: len(runBox.chart.points("loss")) > 40)
    assert runBox.chart.chart.GetScene() is slicer.mrmlScene and runBox.chart.chart.GetNumberOfPlotSeriesNodes() > 0
    assert ready.ui.startButton.text == "Cancel"
    ready.server.jobs[0].pace = 100
    process_until(lambda: runBox.view.status.state == "finished")
    assert [step for step, _ in runBox.chart.points("loss")] == list(range(1, STEPS + 1))
    assert ready.ui.logEdit.plainText.count("Started on") == 1


def test_a_closed_scene_leaves_the_ended_job_with_its_curve(ready, process_until):
    runBox = ready.panel.runBox
    start(ready, process_until, "finished")
    slicer.mrmlScene.Clear(0)
    process_until(lambda: len(runBox.chart.points("loss")) == STEPS)
    assert "finished" in ready.ui.jobLabel.text
    ready.parent.show()
    slicer.app.processEvents()
    (first, last), _losses = runBox._plotView._extent
    assert (first, last) == (1, STEPS) and runBox._plotView._warnings == 0, "the axes fit, and no curve is empty"


def test_a_click_on_the_selected_row_shows_its_job(ready, process_until):
    """Slicer's table says nothing when its selected row is clicked once more."""
    runBox, table = ready.panel.runBox, ready.ui.jobsTable
    start(ready, process_until, "finished")
    process_until(lambda: table.rowCount == 1 and table.item(0, 0).isSelected())
    runBox.follow("")
    assert "No job" in ready.ui.jobLabel.text
    table.itemClicked.emit(table.item(0, 0))
    process_until(lambda: len(runBox.chart.points("loss")) == STEPS)
    calls = len(ready.server.calls)
    table.itemClicked.emit(table.item(0, 0))
    assert len(ready.server.calls) == calls and len(runBox.chart.points("loss")) == STEPS, "it is shown already"
