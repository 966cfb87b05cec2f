"""The section "Compare", clicked: arms, sizes and seeds become one job, whose report opens from the list of jobs."""

from __future__ import annotations

import json

import pytest
import slicer
from scaffold import phantoms
from scaffold.finetuning import FinetuneServer


@pytest.fixture
def panel(make_pretrain, process_until):
    """A backend with a pretrained model, three segmented volumes ticked, the section open."""
    panel = make_pretrain(FinetuneServer(pace=200))
    panel.parent.show()
    panel.box, panel.tune = panel.panel.compareBox, panel.panel.finetuneBox
    panel.pairs = [phantoms.segmented(f"chest {n}") for n in range(3)]
    for section in (panel.ui.dataSection, panel.ui.methodSection, panel.ui.backendSection):
        section.collapsed = True
    panel.box.ui.compareSection.collapsed = False
    panel.ui.volumesSelector.check(panel.pairs[0][0])
    panel.backendUi.startButton.click()
    process_until(lambda: panel.ui.startButton.enabled)
    panel.ui.nameEdit.text = "chests"
    panel.ui.startButton.click()
    process_until(lambda: panel.tune.ui.startFromCombo.count == 3)
    panel.tune.ui.tickAllButton.click()
    panel.model = panel.server.jobs[0].id
    return panel


def test_a_comparison(panel, process_until, grab):
    ui = panel.box.ui
    assert "arms: are fewer than two." in ui.compareStatus.text and not ui.compareButton.enabled
    ui.addArmButton.click()
    assert panel.box.arms.arms == [
        {"name": "scratch", "weights": ""},
        {"name": "Models Genesis", "weights": panel.model},
    ]
    assert "sizes: are missing." in ui.compareStatus.text
    ui.sizesEdit.text = "1, two"
    assert "two: is no size." in ui.compareStatus.text
    ui.sizesEdit.text = "1"
    ui.seedsSpin.value = 3
    ui.budgetCombo.currentIndex = ui.budgetCombo.findData("passes")
    assert ui.compareButton.enabled, ui.compareStatus.text
    panel.grab(grab, "compare-ready")
    ui.compareButton.click()
    process_until(lambda: panel.panel.runBox.view is not None and panel.panel.runBox.view.spec.kind == "compare")
    assert ui.compareButton.text == "Cancel" and panel.tune.ui.finetuneButton.text == "Fine-tune"
    process_until(lambda: panel.ui.reportJobButton.enabled)
    panel.grab(grab, "compare-finished")
    spec = panel.server.jobs[1].spec
    study = spec.config
    assert (spec.kind, spec.method, spec.data.test_fraction) == ("compare", "compare", pytest.approx(0.3))
    assert (study["task"], study["preset"], study["metric"], study["reference"]) == (
        "segmentation",
        "laptop",
        "dice",
        "scratch",
    )
    assert (study["patients"], study["seeds"], study["budget"]) == ([1], 3, "passes") and study[
        "arms"
    ] == panel.box.arms.arms
    assert [entry["name"] for entry in json.loads(study["config"]["classes"])] == ["left lung", "right lung"]
    assert all(ref.mask_sha256 for ref in spec.data.volumes)
    assert "compare: 2 arms of segmentation" in panel.ui.jobCard.text
    panel.ui.reportJobButton.click()
    process_until(lambda: panel.opened)


def test_the_study_is_one_that_the_backend_takes(panel, process_until):
    """Held against the backend's own check: what the panel composes from its form is no error there."""
    from medssl.studies.comparison.check import check_study

    panel.box.arms.add()
    panel.box.ui.sizesEdit.text = "0.5, 1"
    panel.box.ui.unitCombo.currentIndex = panel.box.ui.unitCombo.findData("fractions")
    panel.box.ui.compareButton.click()
    process_until(lambda: len(panel.server.jobs) == 2)
    checked = check_study(panel.server.jobs[1].spec.config)
    assert checked["fractions"] == [0.5, 1.0] and checked["seeds"] == [0, 1, 2, 3, 4]


def test_a_table_of_the_backends_machine(panel, process_until):
    ui = panel.box.ui
    combo = panel.tune.ui.methodCombo
    combo.currentIndex = combo.findData("classification")
    assert ui.metricCombo.currentText == "AUC"
    ui.tablePath.currentPath = "/data/nih.csv"
    panel.box.arms.add()
    panel.box.arms.add("Ark", "/models/ark.safetensors")
    ui.unitCombo.currentIndex = ui.unitCombo.findData("fractions")
    ui.sizesEdit.text = "0.1, 2"
    assert "must be shares above 0, at most 1" in ui.compareStatus.text
    ui.sizesEdit.text = "0.1, 1"
    assert "name no column of the table" in ui.compareStatus.text
    ui.tableLabelsEdit.text = "Pneumonia"
    ui.referenceCombo.currentIndex = ui.referenceCombo.findData("Ark")
    ui.compareButton.click()
    process_until(lambda: len(panel.server.jobs) == 2)
    spec = panel.server.jobs[1].spec
    assert spec.data.path == "/data/nih.csv" and spec.config["config"]["labels"] == "Pneumonia"
    assert [arm["weights"] for arm in spec.config["arms"]] == ["", panel.model, "/models/ark.safetensors"]
    assert spec.config["reference"] == "Ark" and spec.config["fractions"] == [0.1, 1.0]


def test_what_is_wrong_is_said_before_anything_is_sent(panel):
    ui = panel.box.ui
    panel.box.arms.add()
    ui.sizesEdit.text = "1"
    ui.armsTable.item(1, 0).setText("scratch")
    assert "arm scratch: needs a name of its own." in ui.compareStatus.text
    ui.armsTable.item(1, 0).setText("genesis")
    assert ui.compareButton.enabled and ui.referenceCombo.findData("genesis") == 1
    ui.armsTable.cellWidget(1, 1).setEditText("/models/mine.pt")
    assert panel.box.arms.arms[1] == {"name": "genesis", "weights": "/models/mine.pt"}
    from qt import Qt

    panel.tune.ui.volumesTable.item(2, 0).setCheckState(Qt.Unchecked)
    assert "shows two patients" in ui.compareStatus.text and not ui.compareButton.enabled
    assert not ui.removeArmButton.enabled and ui.removeArmButton.toolTip == "Select an arm first"
    ui.armsTable.selectRow(0)
    ui.removeArmButton.click()
    assert [arm["name"] for arm in panel.box.arms.arms] == ["genesis"] and not ui.removeArmButton.enabled


def test_new_models_leave_alone_who_is_writing(panel, process_until):
    ui, arms = panel.box.ui, panel.box.arms
    arms.add("mine", "")
    combo, table = ui.armsTable.cellWidget(1, 1), ui.armsTable
    combo.setFocus()
    combo.setEditText("/models/mi.pt")
    combo.lineEdit().cursorPosition = 10
    models = [*panel.tune.models.models, {**panel.tune.models.models[0], "model": "another", "name": "another"}]
    arms.setModels(models)
    assert table.cellWidget(1, 1) is combo and combo.findData("another") > 0
    assert combo.currentText == "/models/mi.pt" and combo.lineEdit().cursorPosition == 10
    assert arms.arms[1]["weights"] == "/models/mi.pt"
    combo.setEditText(panel.model)
    combo.setCurrentIndex(combo.findData("another"))
    assert arms.arms[1]["weights"] == "another"


def test_who_writes_into_an_arm_selects_it(panel):
    ui = panel.box.ui
    for name in ("first", "second"):
        panel.box.arms.add(name, f"/models/{name}.pt")
    panel.parent.activateWindow()
    slicer.app.processEvents()
    ui.armsTable.cellWidget(1, 1).setFocus()
    slicer.app.processEvents()
    assert panel.box.arms.selected == 1 and ui.removeArmButton.enabled
    ui.removeArmButton.setFocus()
    ui.removeArmButton.click()
    assert [arm["name"] for arm in panel.box.arms.arms] == ["scratch", "second"]
    ui.removeArmButton.click()
    assert len(panel.box.arms.arms) == 2
