"""The section "Fine-tune", clicked: segmentations and labels of the scene become a job; every state with a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
import qt
import slicer
from scaffold import phantoms
from scaffold.finetune_panel import chooseTask, ended, finish
from scaffold.finetuning import FinetuneServer


def test_segmentations_are_found_by_themselves_and_sent_as_label_maps(two, process_until, grab):
    ui = two.box.ui
    assert [ui.volumesTable.cellWidget(row, 1).currentText for row in (0, 1)] == ["chest 1 lungs", "chest 2 lungs"]
    assert ui.finetuneButton.enabled and not ui.finetuneStatus.visible
    ui.nameEdit.text = "lungs"
    two.grab(grab, "finetune-ready")
    finish(two, process_until)
    spec = two.server.jobs[0].spec
    assert (spec.kind, spec.method, spec.name, spec.start_from) == ("finetune", "segmentation", "lungs", "")
    classes = json.loads(spec.config["classes"])
    assert [(entry["value"], entry["name"]) for entry in classes] == [(1, "left lung"), (2, "right lung")]
    assert classes[0]["colour"] == "#cc3333" and classes[0]["terminology"] == phantoms.TERMINOLOGY
    assert [ref.patient for ref in spec.data.volumes] == ["chest 1", "chest 2"]
    for number, (volume, _node) in enumerate(two.pairs):
        array, matrix = two.server.mask(number)
        assert array.shape == slicer.util.arrayFromVolume(volume).shape
        assert np.allclose(matrix, phantoms.ijk_to_ras(volume))
        assert set(np.unique(array)) == {0, 1, 2}
    first, second = two.server.mask(0)[0], two.server.mask(1)[0]
    assert np.array_equal(first == 1, second == 2), (
        "the second node's segments come in the other order, its values do not"
    )
    log = two.ui.logEdit.plainText
    assert "From scratch" in log and "validation dice 0.8" in log and "Evaluation: validation dice 0.8100" in log
    assert "better than every trivial rival" in log
    process_until(lambda: "better than every trivial rival" in two.ui.jobCard.text)
    two.grab(grab, "finetune-finished")


def test_running_cancels_and_charts_the_score(two, process_until, grab):
    two.server.pace = 15
    two.box.ui.finetuneButton.click()
    runBox = two.panel.runBox
    process_until(lambda: len(runBox.chart.points("score")) > 1)
    assert two.box.ui.finetuneButton.text == "Cancel" and two.ui.startButton.text == "Start pretraining"
    names = [runBox.chart.chart.GetNthPlotSeriesNode(n).GetName() for n in range(3)]
    assert names == ["training", "validation", "validation Dice"]
    two.server.jobs[0].pace = 0  # it waits for its picture
    two.grab(grab, "finetune-running")
    two.server.jobs[0].pace = two.server.pace
    two.box.ui.finetuneButton.click()
    process_until(lambda: runBox.view.status.state == "cancelled")
    assert two.server.jobs[0].state == "cancelled" and two.box.ui.finetuneButton.text == "Fine-tune"


def test_starting_from_a_pretrained_model(tuning, process_until, grab):
    pairs = [phantoms.segmented(f"chest {n}") for n in (1, 2, 3)]
    tuning.ui.volumesSelector.check(pairs[0][0])
    tuning.ui.nameEdit.text = "chests"
    tuning.ui.startButton.click()
    ui = tuning.box.ui
    process_until(lambda: ui.startFromCombo.count == 3)
    pretrained = tuning.server.jobs[0].id
    tuning.box.models.select(pretrained)
    assert ui.startFromCard.visible and "Models Genesis" in ui.startFromCard.text
    ui.tickAllButton.click()
    ui.nameEdit.text = "lungs"
    tuning.grab(grab, "finetune-three")
    finish(tuning, process_until)
    assert tuning.server.jobs[1].spec.start_from == pretrained and len(tuning.server.jobs[1].spec.data.volumes) == 3
    assert f"of {pretrained} matched" in tuning.ui.logEdit.plainText
    process_until(lambda: tuning.ui.reportJobButton.enabled)
    assert [tuning.ui.jobsTable.item(row, 0).text() for row in (0, 1)] == ["lungs", "chests"]
    assert "fine-tune: segmentation, starts from" in tuning.ui.jobCard.text
    tuning.grab(grab, "finetune-three-finished")


def test_an_ensemble_is_asked_for_by_the_number_of_its_networks(tuning, process_until, grab):
    for number in (1, 2, 3):
        phantoms.segmented(f"chest {number}")
    ui = tuning.box.ui
    process_until(lambda: ui.volumesTable.rowCount == 3)
    ui.tickAllButton.click()
    assert ui.networksSpin.visible and ui.networksSpin.text == "one network"
    ui.networksSpin.value = 4
    assert (
        not ui.finetuneButton.enabled
        and "3 patients" in ui.finetuneStatus.text
        and "4 networks" in ui.finetuneStatus.text
    )
    ui.networksSpin.value = 3
    assert ui.finetuneButton.enabled and tuning.widget.logic.getParameterNode().networks == 3
    tuning.grab(grab, "finetune-ensemble-ready")
    finish(tuning, process_until)
    spec = tuning.server.jobs[0].spec
    assert (spec.kind, spec.method, spec.data.folds) == ("ensemble", "segmentation", 3) and len(spec.data.volumes) == 3
    assert "ensemble: segmentation" in tuning.ui.jobCard.text
    chooseTask(tuning, "classification")
    assert not ui.networksSpin.visible and not ui.networksLabel.visible and tuning.box.networks == 1


def test_the_log_says_how_each_fold_did():
    from MedSSLPretrainLib.runs.eventText import eventText

    event = {"type": "fold", "time": 0.0, "fold": 2, "folds": 5, "validation": 0.8123, "test": None}
    assert eventText(event).endswith("Fold 2 of 5 is trained: validation Dice 0.8123")


def remove_all_segments(panel):
    panel.pairs[1][1].GetSegmentation().RemoveAllSegments()


def remove_segmentation(panel):
    slicer.mrmlScene.RemoveNode(panel.pairs[1][1])


def erase_segments(panel):
    remove_all_segments(panel)
    phantoms.addSegment(panel.pairs[1][1], "left lung")


def same_names(panel):
    panel.pairs[1][1].GetSegmentation().GetNthSegment(0).SetName("left lung")


def untick_one(panel):
    panel.box.ui.volumesTable.item(0, 0).setCheckState(qt.Qt.Unchecked)


def untick_all(panel):
    panel.box.ui.untickButton.click()


def same_patient(panel):
    for row in (0, 1):
        panel.box.ui.volumesTable.item(row, 2).setText("Smith")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (remove_segmentation, "chest 2: has no segmentation."),
        (remove_all_segments, "chest 2 lungs: has no segments."),
        (erase_segments, "chest 2 lungs: has only empty segments."),
        (same_names, "chest 2 lungs: has two segments called left lung."),
        (untick_one, "training set: shows one patient"),
        (untick_all, "training set: is empty."),
        (same_patient, "training set: shows one patient"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(two, process_until, grab, spoil, complaint):
    ui = two.box.ui
    two.server.calls.clear()
    spoil(two)
    two.widget.enter()  # the user comes back from the Segment Editor
    assert complaint in ui.finetuneStatus.text and ui.finetuneStatus.visible
    assert not ui.finetuneButton.enabled and complaint in ui.finetuneButton.toolTip
    two.grab(grab, f"finetune-{spoil.__name__.replace('_', '-')}")
    assert not [call for call in two.server.calls if "volumes" in call]


def test_a_segmentation_beside_the_volume_ends_it_unsent(two, process_until):
    """Painted, but outside of what the volume shows: only the label map shows it."""
    far = slicer.vtkMRMLTransformNode()
    far.SetName("far away")
    slicer.mrmlScene.AddNode(far)
    matrix = slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 5000], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    far.SetMatrixTransformToParent(matrix)
    two.pairs[1][1].SetAndObserveTransformNodeID(far.GetID())
    two.box.ui.finetuneButton.click()
    process_until(lambda: two.box.ui.finetuneError.visible)
    assert "labels no voxel of chest 2" in two.box.ui.finetuneError.text
    assert not two.server.jobs and not two.server.volumes and two.box.ui.finetuneButton.enabled


def test_another_segmentation_can_be_chosen(two, process_until):
    combo = two.box.ui.volumesTable.cellWidget(0, 1)
    combo.setCurrentIndex(combo.findText("chest 2 lungs"))
    combo.activated.emit(combo.currentIndex)
    assert two.box.table.segmentations[0] is two.pairs[1][1]
    process_until(lambda: two.box.ui.volumesTable.cellWidget(0, 1) is not combo)
    assert two.box.ui.volumesTable.cellWidget(0, 1).currentText == "chest 2 lungs"


def test_continue_with_what_was_corrected(two, process_until, grab):
    """The loop: fine-tune, a model segments two more, one of them is corrected, go on."""
    from MedSSLLib.scene.labelMaps import markPrediction

    ui = two.box.ui
    ui.continueButton.click()
    assert "no fine-tuned model" in ui.finetuneError.text
    finish(two, process_until)
    model = two.server.jobs[0].id
    ui.continueButton.click()
    assert "was corrected" in ui.finetuneError.text and len(two.server.jobs) == 1
    third, fourth = phantoms.segmented("chest 3"), phantoms.segmented("chest 4")
    for volume, node in (third, fourth):
        markPrediction(node, volume, model)
    process_until(lambda: ui.volumesTable.rowCount == 4)
    ui.tickAllButton.click()
    process_until(lambda: not two.box._looking.running)
    assert len(two.box.table.volumes) == 2, "nobody has looked at what the model made"
    volume, node = fourth
    phantoms.paint(node, volume, phantoms.addSegment(node, "heart"), 0)
    two.grab(grab, "finetune-continue")
    ui.continueButton.click()
    process_until(lambda: len(two.server.jobs) == 2)
    spec = two.server.jobs[1].spec
    assert spec.start_from == model and [ref.name for ref in spec.data.volumes] == ["chest 1", "chest 2", "chest 4"]
    assert [entry["name"] for entry in json.loads(spec.config["classes"])] == ["left lung", "right lung", "heart"]
    ended(two, process_until)
    assert f"of {model} matched" in two.ui.logEdit.plainText


def test_label_maps_are_made_one_an_event_loop(two, monkeypatch):
    from MedSSLPretrainLib.labels.segmentClasses import commonClasses
    from MedSSLPretrainLib.runs import finetuneSteps

    made, chosen = [], two.box.chosen()
    make = finetuneSteps.classArray
    monkeypatch.setattr(finetuneSteps, "classArray", lambda *what: made.append(what[1]) or make(*what))
    steps = finetuneSteps.dataSteps(chosen, False, commonClasses(chosen.segmentations))
    for count in range(len(chosen.volumes)):
        next(steps)
        assert len(made) == count
    steps.close()


def test_predictions_are_looked_at_one_an_event_loop(two):
    from MedSSLLib.scene.labelMaps import markPrediction
    from MedSSLPretrainLib.runs.nextCaseSteps import completeSteps

    pairs, looked = [*two.pairs, phantoms.segmented("chest 3"), phantoms.segmented("chest 4")], []
    for volume, node in pairs[2:]:
        markPrediction(node, volume, "model")
    steps = completeSteps([volume for volume, _node in pairs], lambda volume: looked.append(volume) or False)
    for count in (2, 3):
        next(steps)
        assert len(looked) == count


def test_classes_of_the_model_keep_their_values(scene):
    from MedSSLPretrainLib.labels.segmentClasses import commonClasses

    _volume, node = phantoms.segmented("chest", ("heart", "right lung"))
    known = [{"value": 1, "name": "left lung"}, {"value": 5, "name": "right lung"}]
    classes = commonClasses([node], known)
    assert [(entry["name"], entry["value"]) for entry in classes] == [("right lung", 5), ("heart", 6)]


def test_reports_are_opened(two, process_until):
    finish(two, process_until)
    process_until(lambda: two.ui.reportJobButton.enabled)
    assert "fine-tune: segmentation" in two.ui.jobCard.text
    two.ui.reportJobButton.click()
    process_until(lambda: two.opened)
    assert two.opened[0].endswith("-report.html")
    two.process.transport.sharesFiles = True
    two.ui.reportJobButton.click()
    assert two.opened[1].endswith(f"{two.server.jobs[0].id}/results/report.html")


def test_closing_the_scene_forgets_the_volumes(two, process_until):
    slicer.mrmlScene.Clear(0)
    assert two.box.ui.volumesTable.rowCount == 0 and two.box.ui.finetuneStatus.text == "Load volumes first"


def test_a_radiograph_read_from_a_picture(two, scene, process_until):
    """Pictures are vector volumes; their label map has the picture's pixels."""
    picture = phantoms.picture("png")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "png lungs")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(picture)
    array = np.zeros(slicer.util.arrayFromVolume(picture).shape[:3], np.uint8)
    array[0, 3:9, 2:7] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, phantoms.addSegment(node, "left lung"), picture)
    process_until(lambda: two.box.ui.volumesTable.rowCount == 3)
    two.box.table.tick([picture, two.pairs[0][0]])
    finish(two, process_until)
    names = [ref.name for ref in two.server.jobs[0].spec.data.volumes]
    assert np.array_equal(two.server.mask(names.index("png"))[0], array)


def test_edits_outlive_the_backends_list_of_tasks(make_pretrain, process_until):
    panel = make_pretrain(FinetuneServer())
    form = panel.panel.finetuneBox.tasks.form
    form.fields["training"].fields["steps"].widget.value = 7
    panel.backendUi.startButton.click()
    process_until(lambda: "GET /tasks" in panel.server.calls and panel.backendUi.deviceCombo.count == 3)
    assert panel.panel.finetuneBox.tasks.form.values()["training"]["steps"] == 7
