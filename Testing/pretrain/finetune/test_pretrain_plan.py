"""How a fine-tuning would be trained, asked before anything is."""

from __future__ import annotations

import qt
import slicer
from scaffold.finetune_panel import chooseTask, tick

from medssl.core.errors import ResourceError


def test_the_plan_is_shown_until_another_choice_is_made(two, process_until, grab):
    ui = two.box.ui
    assert ui.planButton.enabled and not ui.planLabel.visible
    ui.planButton.click()
    process_until(lambda: "resenc" in ui.planLabel.text)
    request = two.server.asked[-1]
    assert [ref.patient for ref in request.data.volumes] == ["chest 1", "chest 2"]
    assert "left lung" in request.config["classes"] and request.task == "segmentation" and not two.server.jobs
    assert "crop: 24 × 24 × 16 voxels" in ui.planLabel.text and "expect slow steps" in ui.planLabel.text
    two.grab(grab, "finetune-plan")
    ui.volumesTable.item(0, 0).setCheckState(qt.Qt.Unchecked)
    assert not ui.planLabel.visible and ui.planLabel.text == ""


def test_it_can_be_stopped_and_says_why_it_cannot_be_made(two, process_until):
    ui = two.box.ui
    two.server.polls = 50
    ui.planButton.click()
    process_until(lambda: bool(two.server.asked))
    assert ui.planButton.text == "Stop" and ui.planLabel.visible
    process_until(lambda: "Window 4 of 9 (" in ui.planLabel.text)
    ui.planButton.click()
    assert ui.planButton.text == "Plan" and not ui.planLabel.visible
    process_until(lambda: "POST /results/r1/cancel" in two.server.calls)
    two.server.polls, two.server.fails = 0, ResourceError("boxes of 32 × 32 × 32 voxels", "need 3 GB", "Choose less")
    ui.planButton.click()
    process_until(lambda: ui.finetuneError.visible)
    assert "need 3 GB" in ui.finetuneError.text and ui.planButton.text == "Plan"


def test_a_closed_scene_stops_it_on_the_backend(two, process_until):
    two.server.polls = None
    two.box.ui.planButton.click()
    process_until(lambda: two.server.status is not None and two.server.status.state == "running")
    slicer.mrmlScene.Clear(0)
    process_until(lambda: "POST /results/r1/cancel" in two.server.calls)
    assert two.box.ui.planButton.text == "Plan" and not two.box.ui.finetuneError.visible


def test_it_is_of_segmentations_alone_and_needs_what_they_need(two):
    ui = two.box.ui
    for row in (0, 1):
        ui.volumesTable.item(row, 0).setCheckState(qt.Qt.Unchecked)
    assert not ui.planButton.enabled and ui.planButton.toolTip
    tick(two, 0, 1)
    assert ui.planButton.enabled
    chooseTask(two, "classification")
    assert not ui.planButton.visible
