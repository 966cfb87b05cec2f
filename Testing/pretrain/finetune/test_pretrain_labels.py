"""The section "Fine-tune", clicked: labels and patients of the scene's volumes, and what the scene keeps."""

from __future__ import annotations

import slicer
from scaffold import phantoms
from scaffold.finetune_panel import chooseTask, finish, tick


def test_labels(tuning, process_until, grab):
    ui = tuning.box.ui
    for number in range(3):
        phantoms.volume(f"chest {number}", (24, 20, 16))
    chooseTask(tuning, "classification")
    process_until(lambda: ui.volumesTable.rowCount == 3)
    assert ui.labelsFrame.visible and not ui.continueButton.visible
    tick(tuning, 0, 1)
    assert "labels: have no column." in ui.finetuneStatus.text
    ui.columnEdit.text = "a,b"
    ui.addColumnButton.click()
    assert "is no name for a column" in ui.finetuneError.text
    ui.columnEdit.text = "Pneumonia"
    ui.addColumnButton.click()
    assert not ui.finetuneError.visible and ui.volumesTable.columnCount == 3
    ui.volumesTable.item(0, 1).setText("1")
    assert "chest 1: has no Pneumonia." in ui.finetuneStatus.text and not ui.finetuneButton.enabled
    tuning.grab(grab, "finetune-label-missing")
    ui.volumesTable.item(1, 1).setText("1")
    assert "labels: are the same for every volume." in ui.finetuneStatus.text and not ui.finetuneButton.enabled
    ui.volumesTable.item(1, 1).setText("0")
    ui.volumesTable.item(1, 2).setText("Smith")
    ui.columnEdit.text = "Effusion"
    ui.columnEdit.returnPressed.emit()
    ui.volumesTable.item(0, 2).setText("-1")
    assert ui.finetuneButton.enabled
    tuning.grab(grab, "finetune-labels")
    finish(tuning, process_until)
    spec = tuning.server.jobs[0].spec
    assert (spec.kind, spec.method, spec.config["labels"]) == ("finetune", "classification", "Pneumonia,Effusion")
    assert [ref.labels for ref in spec.data.volumes] == [{"Pneumonia": 1.0, "Effusion": -1.0}, {"Pneumonia": 0.0}]
    assert [ref.patient for ref in spec.data.volumes] == ["chest 0", "Smith"]
    assert not any(ref.mask_sha256 for ref in spec.data.volumes)
    ui.removeColumnButton.click()
    assert ui.volumesTable.columnCount == 3 and ui.columnCombo.count == 1


def test_labels_of_a_table(tuning, scene, process_until):
    ui = tuning.box.ui
    for number in range(3):
        phantoms.volume(f"chest {number}", (24, 20, 16))
    from MedSSLInferenceLib.scene.tableNodes import createTable

    rows = [{"volume": f"chest {n}", "patient": f"p{n}", "finding": ["healthy", "nodule", ""][n]} for n in range(3)]
    table = createTable(rows, "labels")
    chooseTask(tuning, "probing")
    ui.labelTableSelector.setCurrentNode(table)
    ui.takeTableButton.click()
    assert tuning.box.columns.names == ("finding",)
    ui.tickAllButton.click()
    assert [node.GetName() for node in tuning.box.table.volumes] == ["chest 0", "chest 1"], "the third has no label"
    assert "a probe looks into one" in ui.finetuneStatus.text
    ui.startFromCombo.currentIndex = ui.startFromCombo.findData("file")
    assert ui.finetuneStatus.text == "Choose the weight file to start from"
    ui.startFromPath.currentPath = "/models/Ark.pth"
    assert ui.finetuneButton.enabled and ui.finetuneButton.text == "Probe"
    finish(tuning, process_until)
    spec = tuning.server.jobs[0].spec
    assert (spec.kind, spec.method, spec.start_from) == ("probe", "probing", "/models/Ark.pth")
    assert [(ref.patient, ref.labels) for ref in spec.data.volumes] == [
        ("p0", {"finding": "healthy"}), ("p1", {"finding": "nodule"}),
    ]  # fmt: skip


def test_a_model_of_another_task_is_refused(two, process_until, grab):
    chooseTask(two, "classification")
    two.box.columns.add("Pneumonia")
    for row in (0, 1):
        two.box.ui.volumesTable.item(row, 1).setText(str(row))
    finish(two, process_until)
    chooseTask(two, "segmentation")
    two.box.models.select(two.server.jobs[0].id)
    assert "is a model for classification, not for segmentation" in two.box.ui.finetuneStatus.text
    assert not two.box.ui.finetuneButton.enabled
    two.grab(grab, "finetune-other-task")


def test_choices_are_kept_in_the_scene(two, make_pretrain, process_until):
    chooseTask(two, "classification")
    two.box.columns.add("Pneumonia")
    two.box.ui.volumesTable.item(1, 1).setText("1")
    two.box.models.select("/models/Genesis.pt")
    again = make_pretrain(two.server)
    box = again.panel.finetuneBox
    assert box.tasks.name == "classification" and box.columns.names == ("Pneumonia",)
    assert [node.GetName() for node in box.table.volumes] == ["chest 1", "chest 2"]
    assert box.ui.volumesTable.item(1, 1).text() == "1" and box.models.reference == "/models/Genesis.pt"


def test_no_segmentation_is_a_choice(two, process_until):
    ui = two.box.ui

    def choose(row, data) -> None:
        combo = ui.volumesTable.cellWidget(row, 1)
        combo.setCurrentIndex(combo.findData(data))
        combo.activated.emit(combo.currentIndex)
        slicer.app.processEvents()

    choose(0, "")
    assert ui.volumesTable.cellWidget(0, 1).currentText == "(none)" and two.box.table.segmentations[0] is None
    assert "chest 1: has no segmentation." in ui.finetuneStatus.text and not ui.finetuneButton.enabled
    ui.tickAllButton.click()
    process_until(lambda: [node.GetName() for node in two.box.table.volumes] == ["chest 2"])
    choose(0, two.pairs[0][1].GetID())
    tick(two, 0)
    assert two.box.table.segmentations == tuple(node for _volume, node in two.pairs) and ui.finetuneButton.enabled


def test_the_modality_is_kept_in_the_scene_and_the_plan_is_of_it(two, make_pretrain, process_until):
    ui = two.box.ui
    ui.planButton.click()
    process_until(lambda: "resenc" in ui.planLabel.text)
    ui.modalityCombo.setCurrentIndex(ui.modalityCombo.findData("MR"))
    assert not ui.planLabel.visible
    assert make_pretrain(two.server).panel.finetuneBox.chosen().modality == "MR"


def test_dicom_knows_the_patient(two, process_until):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Smith")
    hierarchy.SetItemAttribute(patient, "Level", "Patient")
    study = hierarchy.CreateStudyItem(patient, "follow-up")
    for volume, _node in two.pairs:
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), study)
    two.box.table.refresh(always=True)
    two.box.update()
    assert two.box.ui.volumesTable.item(0, 2).text() == "Smith"
    assert "shows one patient" in two.box.ui.finetuneStatus.text
