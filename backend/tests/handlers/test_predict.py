"""Predictions of classifiers class by class, of an Ark head by head; what has no such classes is refused."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from ark_nets import SETS, make_ark, save_ark
from asking import Context, ask
from classifier_fakes import Linear
from phantoms import chest, stored
from radiograph_fakes import radiograph
from refusals import refused

from medssl.images.polarity import NOTE
from medssl.images.volume import Volume
from medssl.networks.weights.weight_files import save_weights


@pytest.fixture(scope="module")
def net():
    return make_ark()


def test_the_inspection_tells_classes_intervals_and_a_table(tmp_path):
    net = Linear((112, 112)).eval()
    net.plan = replace(net.plan, task={**net.plan.task, "test_time": "mirror", "thresholds": {"sick": 0.01}})
    save_weights(tmp_path / "model.safetensors", net.state_dict(), net.plan)
    context = Context(tmp_path, radiograph(), net)
    model = str(tmp_path / "model.safetensors")
    ask("predict", {"images": [{"path": "a", "name": "Ann"}, {"path": "b"}], "model": model}, context)
    found = context.found
    assert [row["name"] for row in found.table] == ["Ann", "noise 0"]
    assert found.table[0]["probability"] == found.table[1]["probability"] and found.table[0]["positive"]
    assert found.info["classes"] == ["sick"] and "over 2 views" in found.info["notes"][0]
    with (context.folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["probability"]) == found.table[0]["probability"]
    with refused("too-few-images"):
        ask("predict", {"images": [], "model": model}, context)


@pytest.mark.parametrize("negative", [True, False])
def test_a_negative_is_noted_unless_it_is_stated_as_one(tmp_path, negative):
    net = Linear((112, 112)).eval()
    save_weights(tmp_path / "model.safetensors", net.state_dict(), net.plan)
    image = Volume(stored(1 - chest() if negative else chest(), 8), notes=(NOTE,) if negative else ())
    for inverted in (False, True):
        context = Context(tmp_path / str(inverted), image, net)
        request = {"images": [{"path": "a", "inverted": inverted}], "model": str(tmp_path / "model.safetensors")}
        ask("predict", request, context)
        assert context.noted == ([] if inverted is negative else [NOTE])


def ask_ark(tmp_path, net, **request):
    context = Context(tmp_path, radiograph(), net)
    model = str(save_ark(tmp_path / "ark.safetensors"))
    ask("predict", {"images": [{"path": "a", "name": "Ann"}, {"path": "b"}], "model": model, **request}, context)
    return context


def test_the_inspection_tells_head_by_head(tmp_path, net):
    context = ask_ark(tmp_path, net)
    rows = context.found.table
    first = [(row["head"], row["class"]) for row in rows[:6]]
    assert first == [(one["name"], name) for one in SETS for name in one["classes"]] and len(rows) == 12
    assert {row["name"] for row in rows[:6]} == {"Ann"} and rows[6]["image"] == 1
    assert [row["positive"] for row in rows[2:5]].count(True) == 1  # classes that exclude each other
    assert rows[0]["positive"] is None and rows[0]["threshold"] is None  # nobody has chosen a threshold
    info = context.found.info
    assert info["kind"] == "heads" and info["sets"] == net.sets and info["findings"] == [] and info["notes"] == []
    assert info["classes"][:3] == ["north.Bright", "north.Effusion", "south.Normal"]
    with (context.folder / "table.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [float(row["probability"]) for row in written] == [row["probability"] for row in rows]


def test_findings_that_were_asked_for_follow_with_their_heads(tmp_path, net):
    context = ask_ark(
        tmp_path, net, findings=["Bright", "Phthisis=west:TB"], heads=["south", "north"], test_time="mirror"
    )
    rows = [row for row in context.found.table if row["image"] == 0]
    assert [(row["head"], row["class"]) for row in rows[-2:]] == [("north + south", "Bright"), ("west", "Phthisis")]
    assert {row["head"] for row in rows[:-2]} == {"north", "south"}
    bright = [row["probability"] for row in rows if row["class"] == "Bright"]
    assert bright[2] == pytest.approx((bright[0] + bright[1]) / 2)
    views, heads = context.found.info["notes"]
    assert "over 2 views" in views
    assert "fixed beforehand" in heads and "Bright: mean of north (Bright) and south (Bright)" in heads
    assert context.found.info["findings"][1] == {"name": "Phthisis", "text": "Phthisis: west (TB)"}


def test_wrong_names_and_models_are_refused(tmp_path, net):
    with refused("finding-unknown", names=["'Brigth'", "'Bright'"]):
        ask_ark(tmp_path, net, findings=["Brigth"])
    model, context = str(tmp_path / "ark.safetensors"), Context(tmp_path / "other", radiograph(), net)
    with refused("too-few-images"):
        ask("predict", {"images": [], "model": model}, context)
    with refused("field-unknown", names="finding"):
        ask("predict", {"images": [{"path": "a"}], "model": model, "finding": "Bright"}, context)
