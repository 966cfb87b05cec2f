"""The section "Rounds", clicked: the next case, its segmentation in the editor, and what each round brought."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scaffold import phantoms
from scaffold.finetune_panel import ended, finish
from scaffold.finetuning import FinetuneServer
from scaffold.tasks import TaskServer

from medssl.client.volumes import read_nrrd_bytes
from medssl.core.errors import ResourceError


class Segmenting(FinetuneServer):
    """Its models answer, too."""

    _segment = TaskServer._segment


class Inference:
    """The other module's logic, whose editor only notes what it is given."""

    def __init__(self, load_module) -> None:
        load_module("MedSSLInference")
        self._logic, self.edited = slicer.util.getModuleLogic("MedSSLInference"), []
        self.run, self.emptySegmentation = self._logic.run, self._logic.emptySegmentation

    def edit(self, segmentationNode, volumeNode) -> None:
        self.edited.append((segmentationNode, volumeNode))


@pytest.fixture
def rounds(two, load_module, process_until):
    """A fine-tuned model of two volumes, two further ones that nobody has labelled; the section is open."""
    two.server.__class__ = Segmenting
    two.inference = Inference(load_module)
    two.rounds = two.panel.roundsBox
    two.rounds._inference = lambda: two.inference
    two.box.ui.nameEdit.text = "lungs"
    finish(two, process_until)
    two.further = [phantoms.volume(f"chest {n}", (24, 20, 16)) for n in (3, 4)]
    process_until(lambda: two.box.ui.volumesTable.rowCount == 4)
    two.box.ui.finetuneSection.collapsed = True
    two.rounds.section.collapsed = False
    process_until(lambda: two.rounds.rounds)
    return two


def ask(panel, process_until) -> None:
    """Click, and wait for the ranking."""
    panel.rounds.ui.nextButton.click()
    process_until(lambda: not panel.rounds.busy)
    assert not panel.rounds.ui.roundsError.visible, panel.rounds.ui.roundsError.text


def texts(table) -> list[list[str]]:
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def label(panel, process_until, propose: bool):
    """Open the selected case; its segmentation and volume."""
    panel.rounds.ui.proposeCheck.checked = propose
    panel.rounds.ui.labelButton.click()
    process_until(lambda: panel.inference.edited or panel.rounds.ui.roundsError.visible)
    assert not panel.rounds.ui.roundsError.visible, panel.rounds.ui.roundsError.text
    return panel.inference.edited[-1]


def test_the_other_panel_is_not_built_for_a_button(load_module, tuning, monkeypatch):
    load_module("MedSSLInference")
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda name: pytest.fail(f"{name} is built"))
    tuning.panel.update()
    assert "load the module" not in tuning.panel.roundsBox.ui.labelButton.toolTip


def test_before_the_first_round_the_section_says_what_is_missing(tuning, grab):
    box = tuning.panel.roundsBox
    box.section.collapsed = False
    assert not box.ui.nextButton.enabled and "load volumes" in box.ui.nextButton.toolTip
    assert not box.ui.labelButton.enabled and "ask for the next case" in box.ui.labelButton.toolTip
    assert "No round yet" in box.ui.roundsText.text and not box.ui.roundsTable.visible and not box.ui.casesTable.visible
    tuning.grab(grab, "rounds-none")


def test_the_case_to_label_first_stands_on_top_with_its_reason(rounds, process_until, grab):
    ui = rounds.rounds.ui
    assert texts(ui.roundsTable) == [["1  lungs", "1", "0.810", "0.8"]] and "chest 1" in ui.roundsText.text
    ask(rounds, process_until)
    assert texts(ui.casesTable) == [["1  chest 4", "1.80", "40%"], ["2  chest 3", "1.50", "35%"]]
    assert "blurred over 1.8 mm" in ui.whyLabel.text and "what the model is unsure of" in ui.roundsStatus.text
    ui.casesTable.selectRow(1)
    assert "blurred over 1.5 mm" in ui.whyLabel.text
    request = rounds.server.asked[-1]
    assert request.model == rounds.server.jobs[0].id
    assert [ref.name for ref in request.data.volumes] == ["chest 3", "chest 4"]
    (known,) = request.labelled
    assert [(ref.name, ref.split) for ref in known.volumes] == [("chest 1", "val"), ("chest 2", "")]
    rounds.grab(grab, "rounds-ranked")


def test_a_case_is_begun_by_hand_and_the_next_round_learns_from_it(rounds, process_until, grab):
    ask(rounds, process_until)
    node, volume = label(rounds, process_until, propose=False)
    assert volume is rounds.further[1] and node.GetName() == "chest 4 segmentation"
    names = [
        node.GetSegmentation().GetNthSegment(n).GetName() for n in range(node.GetSegmentation().GetNumberOfSegments())
    ]
    assert names == ["left lung", "right lung"] and "Continue" in rounds.rounds.ui.roundsStatus.text
    rounds.rounds.ui.labelButton.click()
    process_until(lambda: len(rounds.inference.edited) == 2)
    assert rounds.inference.edited[1] == (node, volume), "what was begun is gone on with"
    rounds.box.ui.continueButton.click()
    assert "was corrected" in rounds.box.ui.finetuneError.text, "an empty segmentation teaches nothing"
    phantoms.paint(node, volume, node.GetSegmentation().GetNthSegmentID(0), 0)
    rounds.box.ui.untickButton.click()
    rounds.box.ui.continueButton.click()
    process_until(lambda: len(rounds.server.jobs) == 2)
    spec = rounds.server.jobs[1].spec
    assert spec.data.validation_of == spec.start_from == rounds.server.jobs[0].id
    assert sorted(ref.name for ref in spec.data.volumes) == ["chest 1", "chest 4"], (
        "what validates takes part, ticked or not"
    )
    first = rounds.server.jobs[0].spec.config["training"]
    assert spec.config["training"]["steps"] == 70 and spec.config["training"]["learning_rate"] < first["learning_rate"]
    ended(rounds, process_until)
    process_until(lambda: len(rounds.rounds.rounds) == 2)
    assert [row[2] for row in texts(rounds.rounds.ui.roundsTable)] == ["0.810", "0.830"]
    assert "+0.020 since the first round" in rounds.rounds.ui.roundsText.text
    assert "Round 2: Dice 0.830" in rounds.rounds.summary()
    rounds.rounds.section.collapsed = False
    rounds.grab(grab, "rounds-two")


def test_the_model_proposes_and_only_what_is_corrected_counts(rounds, process_until):
    from MedSSLLib.scene.labelMaps import isPrediction

    ask(rounds, process_until)
    node, volume = label(rounds, process_until, propose=True)
    assert isPrediction(node) and node.GetName() == "chest 4 segmentation"
    ask(rounds, process_until)
    assert [row[0] for row in texts(rounds.rounds.ui.casesTable)] == ["1  chest 4", "2  chest 3"], (
        "nobody has looked at it"
    )
    phantoms.paint(node, volume, node.GetSegmentation().GetNthSegmentID(2), 0)
    ask(rounds, process_until)
    assert [row[0] for row in texts(rounds.rounds.ui.casesTable)] == ["1  chest 3"]


def test_scores_that_do_not_compare_are_marked(rounds, process_until, monkeypatch):
    before = rounds.server.rounds
    monkeypatch.setattr(rounds.server, "rounds", lambda job: [{**one, "comparable": False} for one in before(job)])
    rounds.widget.enter()
    process_until(lambda: rounds.rounds.rounds and not rounds.rounds.rounds[0]["comparable"])
    assert (
        texts(rounds.rounds.ui.roundsTable)[0][2] == "0.810 *"
        and "does not compare" in rounds.rounds.ui.roundsText.text
    )


def test_without_any_model_images_are_compared(tuning, process_until):
    phantoms.volume("chest 1", (24, 20, 16))
    process_until(lambda: tuning.box.ui.volumesTable.rowCount == 1)
    box = tuning.panel.roundsBox
    box.section.collapsed = False
    box.ui.nextButton.click()
    process_until(lambda: not box.busy)
    assert tuning.server.asked[-1].model == "" and "no model was asked" in box.ui.roundsStatus.text
    assert texts(box.ui.casesTable) == [["1  chest 1", "-", "40%"]]


def test_a_question_is_cancelled_and_an_error_is_shown(rounds, process_until, grab):
    ui, server = rounds.rounds.ui, rounds.server
    server.polls = None
    ui.nextButton.click()
    process_until(lambda: ui.roundsProgress.visible and "Window 4 of 9" in ui.roundsStatus.text)
    assert ui.nextButton.text == "Cancel" and not ui.labelButton.enabled
    rounds.grab(grab, "rounds-running")
    ui.nextButton.click()
    process_until(lambda: not rounds.rounds.busy)
    assert "Cancelled" in ui.roundsStatus.text and not ui.casesTable.visible
    server.polls, server.fails = 0, ResourceError("memory", "is full", "Take smaller volumes")
    ui.nextButton.click()
    process_until(lambda: ui.roundsError.visible)
    assert "is full" in ui.roundsError.text and ui.nextButton.enabled


def test_closing_the_scene_forgets_the_cases(rounds, process_until):
    ask(rounds, process_until)
    slicer.mrmlScene.Clear(0)
    assert not rounds.rounds.cases and not rounds.rounds.ui.casesTable.visible
    assert not rounds.rounds.ui.labelButton.enabled


def test_closing_the_scene_ends_what_is_asked(rounds, process_until):
    box, server = rounds.rounds, rounds.server
    server.polls = None  # it would go on for ever
    box.ui.nextButton.click()
    process_until(lambda: box.ui.roundsProgress.visible and "Window 4 of 9" in box.ui.roundsStatus.text)
    slicer.mrmlScene.Clear(0)
    assert not box.busy and not box.ui.roundsProgress.visible and box.ui.nextButton.text == "Next case"
    process_until(lambda: any(result.status.state == "cancelled" for result in server.results.values()))
    assert not box.cases and not box.ui.roundsError.visible and "Cancelled" not in box.ui.roundsStatus.text


def test_the_console_does_the_same(make_logic):
    server = FinetuneServer(pace=200)
    logic = make_logic("MedSSLPretrain", server)
    volumes = [phantoms.segmented(f"chest {n}")[0] for n in (1, 2)]
    further = phantoms.volume("chest 3", (24, 20, 16))
    job = logic.finetune(volumes)
    ((row, node),) = logic.nextCase(job.model, validation=logic.rounds(job.id)[-1]["validation"], count=1)
    assert node is further and "unsure" in row["why"] and server.asked[-1].count == 1
    array, _matrix = read_nrrd_bytes(server.volumes[server.asked[-1].data.volumes[0].sha256])
    assert np.array_equal(array, slicer.util.arrayFromVolume(further))
    again = logic.continueRound(volumes, job.model, name="second")
    assert again.state == "finished" and server.jobs[-1].spec.data.validation_of == job.id
    assert [one["number"] for one in logic.rounds(again.id)] == [1, 2]
