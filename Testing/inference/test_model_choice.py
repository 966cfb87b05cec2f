"""Models are chosen by name, date and what they are for; a card says what is known of them."""

from __future__ import annotations

import pytest
from scaffold.inference_panel import choose
from scaffold.tasks import ARK_MODEL, LUNGS, MODELS, SEGMENTS, TaskServer

WHEN = 1_790_000_000.0  # in September 2026
LONG = "fourth run with a very long name that nobody would want to see cut"
JOB = "20260921-150000-genesis-q7xk2"


@pytest.fixture
def card():
    from MedSSLLib.widgets.modelCard import cardText

    def text(plan, can, method="Models Genesis", **facts) -> str:
        return cardText({"model": "m", "name": "n", "plan": plan, "can": can, "created": WHEN, **facts}, method)

    return text


def test_the_card_of_a_pretrained_model(card):
    plan = {
        "modality": "CT", "provenance": {"job": JOB, "volumes": 3},
        "geometry": {"orientation": "LPS", "spacing": (1.0, 1.0, 2.5)},
    }  # fmt: skip
    assert card(plan, ["restore", "embed"]) == (
        "Models Genesis: restores volumes, finds similar cases. Learnt from 3 volumes (CT). Sees LPS at 1 x 1 x 2.5 mm. "
        "Made on 2026-09-21."
    )
    native = {**plan, "geometry": {"orientation": "LPS"}}
    assert "Sees LPS at native spacing." in card(native, ["restore"])


def test_the_card_of_a_measured_model(card):
    plan = {
        "modality": "CXR",
        "task": {"name": "classification", "classes": list("abcdef")},
        "provenance": {"images": 1},
    }
    measured = {"headline": {"auroc": 0.871, "f1": None, "sensitivity": 0.5}, "part": "test", "patients": 12}
    text = card(plan, ["classes", "explain"], "classification", measured=measured)
    assert "Knows a, b, c, d and 2 more. Learnt from 1 radiograph." in text
    assert "On 12 patients of the test part: auroc 0.87, sensitivity 0.50." in text


def test_a_foreign_file_is_not_known(card):
    assert card(None, None) == "A weight file of another origin: it is looked into when it is used."


def test_names_dates_and_cards_instead_of_ids(make_inference, process_until, grab, nothing_cut):
    plan = {"method": "genesis", "network": {}, "modality": "CT", "provenance": {"volumes": 12},
            "geometry": {"orientation": "LPS", "spacing": [1.0, 1.0, 1.0]}}  # fmt: skip
    genesis = {"model": JOB, "name": LONG, "method": "genesis", "plan": plan, "created": WHEN}
    panel = make_inference(TaskServer(models=[genesis, ARK_MODEL, *MODELS]), "restore")
    panel.connect(process_until)
    combo, ui = panel.top.modelCombo, panel.top
    choose(combo, JOB)
    texts = [combo.itemText(number) for number in range(combo.count)]
    assert not [text for text in texts if JOB in text]
    assert texts[0].startswith("fourth") and "(Models Genesis, " in texts[0], "name, what it is, and the day"
    assert len(texts[0]) <= 45 and LONG in combo.toolTip, "the whole name stands in the tooltip"
    assert "Learnt from 12 volumes (CT)." in ui.modelCard.text and ui.modelCard.visible
    panel.grab(grab, "inference-model-card")
    choose(combo, LUNGS)
    assert all(one["name"] in ui.modelCard.text for one in SEGMENTS)
    ui.modelSection.collapsed = True
    choose(combo, JOB)
    assert panel.sections._modelStep.label.visible and "Models Genesis" in panel.sections._modelStep.label.text
    choose(combo, "file")
    assert ui.modelCard.text == "" and not ui.modelCard.visible


def test_the_model_folds_once_with_its_first_use(make_inference, process_until):
    from scaffold import phantoms

    panel = make_inference(TaskServer(), "segment")
    panel.ui.segmentSelector.setCurrentNode(phantoms.volume("chest"))
    panel.connect(process_until)
    panel.choose(LUNGS)
    assert not panel.top.modelSection.collapsed
    panel.finish(panel.ui.segmentButton, process_until)
    assert panel.top.modelSection.collapsed
    panel.top.modelSection.collapsed = False
    panel.finish(panel.ui.segmentButton, process_until)
    assert not panel.top.modelSection.collapsed, "whoever opens it again finds it open"
    panel.ui.segmentSection.collapsed = True
    assert panel.box.step.label.visible and "segmentation" in panel.box.step.label.text


def test_a_model_chosen_before_the_backend_is_up_is_found_when_it_lists_its_models(make_inference, process_until):
    """As when a scene is opened first: its parameter node names a job."""
    panel = make_inference(TaskServer(), "segment")
    panel.widget.logic.getParameterNode().model = LUNGS
    panel.widget.exit()
    panel.widget.enter()
    models, top = panel.sections.models, panel.top
    assert models.reference == LUNGS
    panel.connect(process_until)
    assert top.modelCombo.itemData(top.modelCombo.currentIndex) == LUNGS and models.model is not None
    assert not top.weightPath.visible
    models.select("/data/weights.safetensors")
    panel.sections.refreshModels()
    process_until(lambda: not top.modelError.visible)
    assert models.reference == "/data/weights.safetensors" and top.weightPath.visible, "a file stays one"
