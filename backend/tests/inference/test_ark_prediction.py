"""Heads answer as the network's own layers do; findings are means over heads; the table tells which."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from ark_nets import SETS, make_ark, save_ark
from inspection_fakes import Context
from radiograph_fakes import radiograph
from scipy import stats

from medssl.core.errors import ConfigError, InputError, WeightsError
from medssl.inference.classification.ark import predict_findings, predict_heads
from medssl.inference.classification.findings import read_findings
from medssl.inference.classification.predict import inspect
from medssl.inference.image_embedding import whole_image


@pytest.fixture(scope="module")
def net():
    return make_ark()


def by_hand(net, pixels):
    """Every head's probabilities (V, C) of images (V, 56, 56) in 0...1, layer by layer."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.from_numpy(((pixels[:, None] - mean[:, None, None]) / deviation[:, None, None]).astype(np.float32))
    with torch.no_grad():
        embedding = net.tokens(x).mean(dim=1) @ net.projector.weight.T + net.projector.bias
        logits = [embedding @ head.weight.T + head.bias for head in net.omni_heads]
    return [logits[0].sigmoid().numpy(), logits[1].softmax(1).numpy(), logits[2].sigmoid().numpy()]


def test_every_head_answers_through_its_own_activation(net):
    images = [radiograph(0, (120, 80)), radiograph(1)]
    found = predict_heads(images, net)
    for image, heads in zip(images, found):
        pixels = whole_image(image, net)
        assert pixels.shape == (56, 56)  # all of it, whatever its aspect
        for expected, one, answer in zip(by_hand(net, pixels[None]), SETS, heads):
            assert list(answer) == one["classes"]
            assert [answer[name] for name in answer] == [(pytest.approx(p, abs=1e-5), None, None) for p in expected[0]]
    assert sum(p for p, _, _ in found[0][1].values()) == pytest.approx(1)
    assert found[0][0]["Bright"][0] != pytest.approx(found[1][0]["Bright"][0], abs=1e-4)


def test_a_finding_is_the_mean_over_the_heads_that_know_it(net):
    image = radiograph()
    heads = predict_heads([image], net)[0]
    findings = read_findings(net.sets, ["Bright", "Pleural Effusion", "Tuberculosis"])
    found = predict_findings([image], net, findings)[0]
    assert found["Bright"][0] == pytest.approx((heads[0]["Bright"][0] + heads[1]["Bright"][0]) / 2)
    assert found["Pleural Effusion"][0] == pytest.approx(heads[0]["Effusion"][0])
    assert found["Tuberculosis"][0] == pytest.approx(heads[2]["TB"][0])
    alone = predict_findings([image], net, read_findings(net.sets, ["Bright"], ["south"]))[0]
    assert alone["Bright"][0] == pytest.approx(heads[1]["Bright"][0])


def test_views_are_averaged_with_their_interval(net):
    image = radiograph()
    pixels = whole_image(image, net)
    each = by_hand(net, np.stack([pixels, pixels[:, ::-1]]))[0][:, 0]
    p, low, high = predict_heads([image], net, "mirror")[0][0]["Bright"]
    interval = stats.t.interval(0.95, 1, each.mean(), stats.sem(each))
    assert (p, low, high) == pytest.approx((each.mean(), max(interval[0], 0), min(interval[1], 1)), abs=1e-5)
    crops = predict_findings([image], net, read_findings(net.sets, ["Bright"]), "ten-crop")[0]["Bright"]
    assert crops[1] < crops[0] < crops[2] and crops[0] != pytest.approx(p, abs=1e-6)
    with pytest.raises(ConfigError, match="five-crop"):
        predict_heads([image], net, "five-crop")


def test_progress_is_told_and_may_stop(net):
    told = []
    predict_heads([radiograph()] * 2, net, progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        predict_findings([radiograph()] * 2, net, read_findings(net.sets), progress=stop)


def asked(tmp_path, net, **request):
    context = Context(tmp_path, radiograph(), net)
    model = str(save_ark(tmp_path / "ark.safetensors"))
    inspect({"images": [{"path": "a", "name": "Ann"}, {"path": "b"}], "model": model, **request}, context)
    return context


def test_the_inspection_tells_head_by_head(tmp_path, net):
    context = asked(tmp_path, net)
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
    context = asked(
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
    with pytest.raises(WeightsError, match=r"'Brigth': is known to no head .*Did you mean 'Bright'"):
        asked(tmp_path, net, findings=["Brigth"])
    model, context = str(tmp_path / "ark.safetensors"), Context(tmp_path / "other", radiograph(), net)
    with pytest.raises(InputError, match="too few"):
        inspect({"images": [], "model": model}, context)
    with pytest.raises(InputError, match="finding: is unknown"):
        inspect({"images": [{"path": "a"}], "model": model, "finding": "Bright"}, context)
