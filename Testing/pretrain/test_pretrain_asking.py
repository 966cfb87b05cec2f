"""What the pretrain panel asks of the backend, left before it is answered: by a click, another choice, a closed scene."""

from __future__ import annotations

import pytest
import slicer
from scaffold.datasets import CLINIC, HOSPITAL, SetsServer
from scaffold.inference_panel import choose

CANCELLED = "POST /results/r1/cancel"


def asked(panel, button, process_until) -> None:
    """Click, and wait until the backend is at it."""
    panel.server.polls = None
    button.click()
    process_until(lambda: panel.server.status is not None and panel.server.status.state == "running")


@pytest.mark.parametrize(("name", "title"), [("check", "Check"), ("preview", "Preview")])
def test_what_is_asked_shows_its_progress_and_can_be_cancelled(ready, process_until, grab, name, title):
    ready.parent.show()
    button, bar = getattr(ready.ui, f"{name}Button"), ready.ui.dataProgress
    other = ready.ui.previewButton if name == "check" else ready.ui.checkButton
    assert not bar.visible
    asked(ready, button, process_until)
    process_until(lambda: "Window 4 of 9" in bar.format)
    assert bar.visible and bar.value == 40 and button.text == "Cancel" and button.enabled and not other.enabled
    ready.grab(grab, f"{name}-running")
    button.click()
    assert button.text == title and other.enabled and not bar.visible
    process_until(lambda: CANCELLED in ready.server.calls)
    ready.server.polls = 0
    button.click()
    process_until(lambda: button.text == title)
    assert not ready.ui.dataError.text


def test_a_cancel_while_volumes_are_sent_asks_for_nothing(ready, process_until, qapp):
    ready.ui.checkButton.click()
    ready.ui.checkButton.click()
    for _ in range(50):
        qapp.processEvents()
    assert not any(call.startswith(("PUT", "POST")) for call in ready.server.calls)


def test_an_answer_is_of_the_choice_that_was_asked_about(ready, process_until):
    ui = ready.ui
    asked(ready, ui.checkButton, process_until)
    choose(ui.modalityCombo, "MR")
    assert ui.checkButton.text == "Check" and ui.checkButton.enabled
    process_until(lambda: CANCELLED in ready.server.calls)
    ready.server.polls = 0
    ui.checkButton.click()
    process_until(lambda: ui.dataSummary.text != "")
    assert "MR" in ui.dataSummary.text


def test_a_preview_is_of_the_settings_that_it_was_asked_with(ready, process_until):
    asked(ready, ready.ui.previewButton, process_until)
    ready.panel.methodBox.form.fields["training"].fields["steps"].widget.value = 80
    assert ready.ui.previewButton.text == "Preview" and ready.ui.previewButton.enabled
    process_until(lambda: CANCELLED in ready.server.calls)


def test_a_closed_scene_leaves_what_was_asked(ready, process_until, qapp):
    asked(ready, ready.ui.previewButton, process_until)
    slicer.mrmlScene.Clear(0)
    process_until(lambda: CANCELLED in ready.server.calls)
    for _ in range(20):
        qapp.processEvents()
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") and not ready.ui.dataError.text
    assert ready.ui.previewButton.text == "Preview"


@pytest.fixture
def sets(make_pretrain, process_until):
    """A panel with two dataset specs."""
    panel = make_pretrain(SetsServer())
    panel.backendUi.startButton.click()
    process_until(lambda: panel.sets.ui.addSetCombo.count > 2)
    choose(panel.ui.methodCombo, "ark")
    for values in (HOSPITAL, CLINIC):
        panel.sets.add(values)
    return panel


def states(panel) -> list[str]:
    table = panel.sets.ui.setsTable
    return [table.item(row, 2).text() for row in range(table.rowCount)]


def test_a_set_that_goes_while_it_is_checked_ends_the_check(sets, process_until):
    asked(sets, sets.ui.checkButton, process_until)
    sets.sets.select(0)
    sets.sets.ui.removeSetButton.click()
    process_until(lambda: CANCELLED in sets.server.calls)
    assert states(sets) == ["not checked"] and sets.ui.checkButton.text == "Check"


def test_each_set_gets_its_own_report(sets):
    checked = sets.sets.chosen()
    common = {"patients": 1, "duplicates": 0, "warnings": []}
    error = {"value": "a.csv", "rule": "is not there", "remedy": "Check the folder"}
    reports = [
        {**common, "name": "hospital-a", "images": 0, "errors": [error]},
        {**common, "name": "clinic-b", "images": 5, "errors": []},
    ]
    sets.sets.select(0)
    sets.sets.ui.removeSetButton.click()
    sets.sets.showReports(checked, {"sets": reports}, {})
    assert states(sets) == ["fine"]
    sets.sets.add(HOSPITAL)
    assert states(sets) == ["fine", "errors: 1"]


def test_another_module_and_back_loses_neither_check_nor_plan(two, process_until):
    ui, tune = two.ui, two.box.ui
    two.ui.dataSection.collapsed = False
    for volume, _node in two.pairs:
        ui.volumesSelector.check(volume)
    ui.checkButton.click()
    process_until(lambda: ui.dataSummary.text != "")
    tune.planButton.click()
    process_until(lambda: "resenc" in tune.planLabel.text)
    two.widget.exit()
    two.widget.enter()
    for _ in range(50):
        slicer.app.processEvents()
    assert ui.dataSummary.visible and "resenc" in tune.planLabel.text
    ui.volumesSelector.uncheck(two.pairs[0][0])
    assert not ui.dataSummary.visible and "resenc" in tune.planLabel.text


def test_what_was_checked_is_no_more_when_a_volume_or_the_scene_goes(ready, process_until):
    ui = ready.ui
    ready.parent.show()
    for go in (
        lambda: slicer.mrmlScene.RemoveNode(ui.volumesSelector.checkedNodes()[0]),
        lambda: slicer.mrmlScene.Clear(0),
    ):
        ui.checkButton.click()
        process_until(lambda: ui.dataSummary.visible)
        go()
        process_until(lambda: not ui.dataSummary.visible)


def test_a_check_goes_on_in_another_module(ready, process_until):
    asked(ready, ready.ui.checkButton, process_until)
    ready.widget.exit()
    ready.widget.enter()
    ready.server.polls = 0
    process_until(lambda: ready.ui.dataSummary.text != "")
    assert CANCELLED not in ready.server.calls


def test_the_sending_says_which_volume_it_is_at(ready, process_until):
    ready.parent.show()
    label, seen = ready.ui.startStatus, []
    ready.ui.startButton.click()
    assert label.visible and label.text.startswith("Sending ")

    def sent() -> bool:
        seen.append((label.text, label.visible))
        return bool(ready.server.jobs)

    process_until(sent)
    assert {(f"Sending volume {number} of 2", True) for number in (1, 2)} <= set(seen)
    process_until(lambda: not ready.panel.startBox.busy)
    assert not label.visible
