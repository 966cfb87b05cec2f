"""Datasets in the pretrain panel: added, edited with live checks, checked, trained, and their curves."""

from __future__ import annotations

import json

import pytest
import slicer
from MedSSLPretrainLib.datasets.datasetSpecText import complete, textOf, valueOf
from MedSSLPretrainLib.datasets.labelRows import EQUALS, LabelRow, labelsOf, rowsOf
from MedSSLPretrainLib.runs.eventText import eventText
from MedSSLPretrainLib.views.lossChart import WHOLE, LossChart
from refusals import refused
from scaffold.datasets import CLINIC, HOSPITAL, TB, SetsServer

from medssl.core.errors import CatalogError
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.spec_files import ready_made


@pytest.fixture
def server():
    return SetsServer()


@pytest.fixture
def panel(make_pretrain, server, process_until):
    """A panel with a running backend and the method that learns from dataset specs."""
    made = make_pretrain(server)
    made.backendUi.startButton.click()
    process_until(lambda: made.sets.ui.addSetCombo.count > 2)  # the ready-made ones have come
    made.ui.methodCombo.setCurrentIndex(made.ui.methodCombo.findData("ark"))
    return made


def addSets(panel, *specs) -> None:
    for values in specs:
        panel.sets.add(values)


def widget(panel, key: str):
    return panel.sets.form.widgets[key]


def errorAt(panel, key: str) -> str:
    """What stands under a field."""
    label = panel.sets.form._errors[key]
    return label.text if not label.isHidden() else ""


def cell(panel, row: int, column: int) -> str:
    return panel.sets.ui.setsTable.item(row, column).text()


def test_sets_take_the_place_of_volumes(panel, grab):
    assert panel.ui.sourceFrame.isHidden() and not panel.ui.setsFrame.isHidden()
    assert "Add a dataset" in panel.ui.startButton.toolTip and not panel.ui.checkButton.enabled
    panel.grab(grab, "sets-none")
    panel.ui.methodCombo.setCurrentIndex(panel.ui.methodCombo.findData("genesis"))
    assert not panel.ui.sourceFrame.isHidden() and panel.ui.setsFrame.isHidden()
    assert "Load a CT or MR" in panel.ui.startButton.toolTip


def test_a_ready_made_set_needs_only_its_folder(panel, grab):
    combo = panel.sets.ui.addSetCombo
    combo.setCurrentIndex(combo.findData("ready:rsna-pneumonia"))
    panel.sets.ui.addSetButton.click()
    assert "is missing" in errorAt(panel, "root") and "root" in panel.ui.startButton.toolTip
    panel.grab(grab, "sets-ready-made")
    widget(panel, "root").currentPath = "/data/rsna"
    assert not errorAt(panel, "root") and panel.ui.startButton.enabled
    (chosen,) = panel.sets.chosen()
    assert DatasetSpec.from_dict(chosen).rules == ready_made()["rsna-pneumonia"].rules
    assert cell(panel, 0, 0) == "rsna-pneumonia"
    assert "one of 3 classes" in panel.sets.ui.setsTable.item(0, 0).toolTip()


def test_a_dataset_spec_by_hand(panel, grab):
    panel.sets.ui.addSetButton.click()
    assert "is missing" in errorAt(panel, "name") and panel.sets.ui.setsTable.rowCount == 1
    widget(panel, "name").text = "ward 7"
    widget(panel, "root").currentPath = "/data/ward"
    widget(panel, "tables").text = "labels.csv"
    panel.sets.form.labels.addButton.click()
    assert "letters, digits" in errorAt(panel, "name")
    panel.grab(grab, "sets-wrong-name")
    widget(panel, "name").text = "ward-7"
    panel.sets.form.labels.table.item(0, 0).setText("Nodule")
    widget(panel, "images").text = "images/{File"
    assert "is no template" in errorAt(panel, "images") and not panel.ui.startButton.enabled
    widget(panel, "images").text = "images/{File}"
    widget(panel, "split").text = '{"column": "fold", "test": ["5"]'
    assert "begins like JSON" in errorAt(panel, "split")
    widget(panel, "split").text = '{"column": "fold", "test": ["5"]}'
    widget(panel, "attributes").text = "sex=Sex, age=Age|Years"
    widget(panel, "uncertain").setCurrentIndex(widget(panel, "uncertain").findData("smooth-ones"))
    assert panel.sets.missing() == ""
    assert panel.sets.specs[0] == {
        "name": "ward-7", "root": "/data/ward", "tables": ["labels.csv"], "kind": "multi-label", "labels": ["Nodule"],
        "images": "images/{File}", "split": {"column": "fold", "test": ["5"]}, "uncertain": "smooth-ones",
        "attributes": {"sex": "Sex", "age": ["Age", "Years"]},
    }  # fmt: skip


def test_an_error_in_a_folded_field_is_seen(panel):
    addSets(panel, {**HOSPITAL, "only": {"View": []}})
    assert errorAt(panel, "only") and not panel.sets.form._further.collapsed


def test_classes_are_edited_as_a_table(panel):
    addSets(panel, HOSPITAL)
    editor = panel.sets.form.labels
    editor.table.cellWidget(1, 2).setCurrentIndex(1)
    editor.table.cellWidget(1, 2).activated.emit(1)
    slicer.app.processEvents()
    editor.table.item(1, 3).setText("large")
    assert panel.sets.specs[0]["labels"] == {"Nodule": "Nodule", "Mass": {"column": "Mass", "equals": "large"}}
    editor.table.item(1, 0).setText("Nodule")
    assert "another class" in errorAt(panel, "labels") and editor.table.item(1, 0).text() == "Mass"
    editor.table.selectRow(0)
    editor.removeButton.click()
    assert list(panel.sets.specs[0]["labels"]) == ["Mass"]


def test_two_sets_of_one_name(panel, grab):
    addSets(panel, HOSPITAL, {**CLINIC, "name": "hospital-a"})
    assert "the name of two datasets" in panel.sets.missing() and cell(panel, 1, 2) == "wrong"
    assert "the name of two datasets" in panel.sets.ui.setsTable.item(1, 2).toolTip()
    widget(panel, "name").text = "clinic-b"
    assert panel.sets.missing() == ""


def test_check_shows_counts_warnings_and_a_contact_sheet(panel, process_until, grab):
    addSets(panel, HOSPITAL, CLINIC, TB)
    assert [cell(panel, row, 2) for row in range(3)] == ["not checked"] * 3
    panel.ui.checkButton.click()
    process_until(lambda: panel.ui.dataSummary.text != "")
    assert "3 sets" in panel.ui.dataSummary.text and [cell(panel, n, 2) for n in range(3)] == [
        "warnings: 1",
        "fine",
        "fine",
    ]
    panel.sets.ui.setsTable.selectRow(0)
    assert "Do not trust its AUC" in panel.sets.ui.reportLabel.text and "Nodule" in panel.sets.ui.reportLabel.text
    assert "sex: F 700, M 700" in panel.sets.ui.reportLabel.text and not panel.sets.ui.sheetLabel.pixmap.isNull()
    panel.grab(grab, "sets-checked")
    widget(panel, "missing").setCurrentIndex(1)  # what was checked was another spec
    assert cell(panel, 0, 2) == "not checked" and panel.sets.ui.reportLabel.isHidden() and cell(panel, 1, 2) == "fine"


def test_what_the_backend_refuses_is_shown(panel, process_until):
    addSets(panel, HOSPITAL)
    panel.server.refusal = CatalogError("set hospital-a: tables[0]", "is not there", "Check the folder")
    panel.ui.checkButton.click()
    process_until(lambda: not panel.ui.dataError.isHidden())
    assert "is not there" in panel.ui.dataError.text and panel.ui.checkButton.enabled


def test_a_check_that_cannot_read_a_set(panel):
    addSets(panel, HOSPITAL)
    error = {"value": "set hospital-a: tables[0]", "rule": "a.csv is not there", "remedy": "Check the folder"}
    report = {"name": "hospital-a", "images": 0, "patients": 0, "duplicates": 0, "errors": [error], "warnings": []}
    panel.sets.showReports(panel.sets.chosen(), {"sets": [report]}, {})
    assert cell(panel, 0, 2) == "errors: 1" and "is not there" in panel.sets.ui.reportLabel.text


def test_weights_to_begin_with(panel, server, process_until, grab):
    """A job on one set; its model begins the next, whose heads it names."""
    addSets(panel, HOSPITAL)
    panel.ui.startButton.click()
    process_until(lambda: panel.sets.ui.weightsCombo.count == 3)  # nothing, the new model, a file
    (job,) = server.jobs
    panel.sets.weights.select(job.id)
    addSets(panel, CLINIC)
    panel.sets.select(0)
    panel.sets.ui.removeSetButton.click()
    text = panel.sets.ui.headsLabel.text
    assert "Adds: clinic-b" in text and "Keeps as they are: hospital-a" in text
    panel.grab(grab, "sets-continued")
    addSets(panel, {**HOSPITAL, "labels": ["Mass"]})
    assert "other classes" in errorAt(panel, "labels") and "other classes" in panel.ui.startButton.toolTip
    widget(panel, "name").text = "hospital-c"
    panel.ui.startButton.click()
    process_until(lambda: len(server.jobs) == 2)
    assert server.jobs[1].spec.start_from == job.id
    panel.sets.weights.select("/models/ark.pth")
    assert panel.sets.ui.headsLabel.isHidden() and panel.sets.missing() == ""


def test_files(panel, server, make_pretrain, process_until, tmp_path):
    addSets(panel, CLINIC)
    panel.paths.append(str(tmp_path / "clinic"))
    panel.sets.ui.saveSetButton.click()
    process_until(lambda: (tmp_path / "clinic.yaml").is_file())
    panel.sets.ui.removeSetButton.click()
    assert panel.sets.specs == [] and panel.sets.ui.setSection.isHidden()
    combo = panel.sets.ui.addSetCombo
    combo.setCurrentIndex(combo.findData("file"))
    panel.paths.append(str(tmp_path / "clinic.yaml"))
    panel.sets.ui.addSetButton.click()
    process_until(lambda: panel.sets.specs)
    assert panel.sets.chosen()[0] == DatasetSpec.from_dict(CLINIC).as_dict()
    panel.paths.append(str(tmp_path / "absent.yaml"))
    panel.sets.ui.addSetButton.click()
    process_until(lambda: not panel.sets.ui.setsError.isHidden())
    assert "absent.yaml" in panel.sets.ui.setsError.text.replace("\u200b", "") and len(panel.sets.specs) == 1
    panel.paths.append("")  # cancelled
    panel.sets.ui.addSetButton.click()
    assert panel.sets.ui.setsError.isHidden()


def test_the_scene_keeps_the_sets(panel):
    addSets(panel, HOSPITAL, CLINIC)
    node = panel.widget.logic.getParameterNode()
    assert [values["name"] for values in json.loads(node.sets)] == ["hospital-a", "clinic-b"]
    panel.widget.exit()
    node.sets = json.dumps([TB])
    panel.widget.enter()
    assert [values["name"] for values in panel.sets.specs] == ["tb"]


def test_curves_of_each_set(panel, process_until, grab):
    addSets(panel, HOSPITAL, CLINIC, TB)
    assert panel.ui.curvesCombo.isHidden()
    panel.ui.startButton.click()
    run = panel.panel.runBox
    process_until(lambda: run.view is not None and run.view.status.state == "finished")
    assert [values["name"] for values in panel.server.jobs[0].spec.data.sets] == ["hospital-a", "clinic-b", "tb"]
    combo, chart = panel.ui.curvesCombo, run.chart
    assert not combo.isHidden() and [combo.itemData(n) for n in range(combo.count)] == chart.families
    assert chart.families == [WHOLE, "training", "validation", "auc", "student_auc"]
    assert names(chart) == ["training", "validation"]  # no constant mean: Ark restores nothing
    for family in chart.families[1:]:
        combo.setCurrentIndex(combo.findData(family))
        combo.activated.emit(combo.currentIndex)
        assert names(chart) == ["hospital-a", "clinic-b", "tb"]
        grab(panel.ui.lossPlot, f"pretrain-sets-curves-{family}", 440, 240)
    steps = [step for step, _ in chart.sets.points("training", "clinic-b")]
    assert steps[:20] == list(range(21, 41)) and steps[20] == 81
    panel.panel.runBox.follow("")
    assert chart.families == [WHOLE] and names(chart) == []
    assert combo.isHidden()


def names(chart) -> list[str]:
    """The series that the chart shows."""
    node = chart.chart
    return [node.GetNthPlotSeriesNode(n).GetName() for n in range(node.GetNumberOfPlotSeriesNodes())]


def test_a_metric_in_words(harness):
    values = {"validation_loss": 0.5, "loss_tb": 0.5, "auc_tb": 0.75, "student_auc_tb": 0.7}
    text = eventText({"type": "metric", "time": 0.0, "step": 3, **values})
    assert text.endswith("Step 3: validation 0.5000, AUC tb 0.7500")


def test_curves_drop_what_a_resume_repeats(scene):
    chart = LossChart()
    chart.addEvents([{"type": "loss", "step": n, "loss": 1.0, f"loss_{'ab'[n % 2]}": 1.0} for n in range(1, 9)])
    chart.addEvents([{"type": "metric", "step": 8, "validation_loss": 0.5, "auc_a": None, "auc_b": 0.8}])
    chart.show("training")
    assert chart.sets.points("training", "a")[-1][0] == 8 and chart.sets.points("auc", "a") == []
    chart.addEvents([{"type": "resumed", "step": 5}, {"type": "loss", "step": 6, "loss": 0.5, "loss_a": 0.5}])
    assert [step for step, _ in chart.sets.points("training", "a")] == [2, 4, 6]
    assert chart.sets.points("auc", "b") == []
    nodes = scene.GetNumberOfNodes()
    chart.addEvents([{"type": "loss", "step": 7, "loss": 0.5, "loss_b": 0.5}])
    assert scene.GetNumberOfNodes() == nodes  # updated in place
    chart.clear()
    assert names(chart) == []


@pytest.mark.parametrize("name", ready_made())
def test_the_form_keeps_every_ready_made_spec(panel, name):
    """What the form returns means the same, before and after a touch on the classes."""
    spec = ready_made()[name]
    panel.sets.setSpecs([spec.as_dict()])
    panel.sets.form.changed.emit()
    again = complete({**panel.sets.specs[0], "root": "/data"})
    for what in ("rules", "table_refs", "patient_place", "split_rule", "attribute_places", "templates", "repeated"):
        assert getattr(again, what) == getattr(spec, what), what
    assert (again.uncertain, again.missing, again.citation) == (spec.uncertain, spec.missing, spec.citation)
    rows = rowsOf(spec.labels)
    panel.sets.form.labels.setRows(rows[1:])
    panel.sets.form.labels.setRows(rows)
    assert DatasetSpec.from_dict(panel.sets.specs[0]).rules == spec.rules


@pytest.mark.parametrize(
    "shape, value, text",
    [
        ("word", "Patient ID", "Patient ID"),
        ("word", {"pattern": "a,b"}, '{"pattern": "a,b"}'),
        ("word", ["A", "B"], '["A", "B"]'),
        ("list", ["a.csv", "b.csv"], "a.csv, b.csv"),
        ("list", ["a,b.csv"], '["a,b.csv"]'),
        ("mapping", {"View": ["AP", "PA"], "sex": "Sex"}, "View=AP|PA, sex=Sex"),
        ("mapping", {"age": {"column": "Age", "pattern": "\\d+"}}, '{"age": {"column": "Age", "pattern": "\\\\d+"}}'),
        ("mapping", ["sex", "age"], "sex, age"),
    ],
)
def test_lines_say_what_values_are(harness, shape, value, text):
    assert textOf(value, shape) == text and valueOf(text, shape) == value


def test_rows_of_labels(harness):
    assert labelsOf([LabelRow("A", "A"), LabelRow("B", "B")]) == ["A", "B"]
    (row,) = rowsOf({"A": {"column": "c", "equals": ["x", "y"], "others": ["z"]}})
    assert row == LabelRow("A", "c", EQUALS, '["x", "y"]', {"others": ["z"]})
    assert rowsOf("nonsense") == [] and rowsOf(None) == []


def test_a_dataset_spec_without_its_folder_is_refused(harness):
    with refused("root-not-a-folder", names="hospital-a"):
        complete({**HOSPITAL, "root": "data"})
    assert complete({**HOSPITAL, "root": "D:\\data"}).root == "D:\\data"


def test_console(make_logic, server, tmp_path):
    logic = make_logic("MedSSLPretrain", server)
    file = tmp_path / "tb.json"
    file.write_text(json.dumps(TB))
    server.pace = 500
    job = logic.pretrain(sets=[HOSPITAL, str(file)], method="ark")
    assert job.state == "finished"
    spec = server.jobs[0].spec
    assert [values["name"] for values in spec.data.sets] == ["hospital-a", "tb"]
    with refused("dataset-name-repeated", names="set tb"):
        logic.pretrain(sets=[TB, TB], method="ark")
    with refused("key-unknown", names="'labels'"):
        logic.pretrain(sets=[{**TB, "lables": {}}], method="ark")
