"""Probabilities as the network gives them, averaged over views, calibrated; probes stand on their own model only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from classifier_fakes import Linear
from inspection_fakes import make_ct
from radiograph_fakes import radiograph
from refusals import refused
from scipy import special, stats

from medssl.core.plan import Plan
from medssl.inference.classification.predict import calibrate, class_rows, predict_images, view_notes
from medssl.inference.classification.probe import KNearest, fit_linear
from medssl.inference.classification.probe_files import is_probe, open_probe
from medssl.inference.classification.views import ten_crops, views_of
from medssl.inference.image_embedding import embed_images, whole_image
from medssl.networks.weights.weight_files import save_weights


def plain(net, views):
    """Probabilities of views (V, 1, *size), without any of the code under test."""
    with torch.no_grad():
        logits = net(views).double()
    return (logits.softmax(1) if net.plan.task["kind"] == "multi-class" else logits.sigmoid()).numpy()


def test_one_view_is_the_centre_of_the_prepared_image():
    net, image = Linear((112, 112)), radiograph()
    found = predict_images([image], net)
    whole = torch.from_numpy(whole_image(image, net))
    assert whole.shape == (128, 128)
    expected = plain(net, whole[None, None, 8:120, 8:120])[0, 0]
    assert found == [{"sick": (pytest.approx(expected), None, None)}]


def test_ten_crops():
    images = torch.arange(2 * 3 * 8 * 8).view(2, 3, 8, 8)
    crops = ten_crops(images, 6)
    assert crops.shape == (2, 10, 3, 6, 6)
    assert torch.equal(crops[:, 0], images[..., 1:7, 1:7]) and torch.equal(crops[:, 4], images[..., 2:, 2:])
    assert torch.equal(crops[:, 5:], crops[:, :5].flip(-1))
    assert len({tuple(crop.flatten().tolist()) for crop in crops[0]}) == 10


def test_ten_crops_are_averaged_with_their_t_interval():
    net, image = Linear((112, 112), "multi-label", ("a", "b"), test_time="ten-crop"), radiograph()
    found = predict_images([image], net)[0]
    crops = ten_crops(torch.from_numpy(whole_image(image, net))[None, None], 112)[0]
    each = plain(net, crops)
    for n, name in enumerate(("a", "b")):
        interval = stats.t.interval(0.95, 9, each[:, n].mean(), stats.sem(each[:, n]))
        assert found[name] == pytest.approx((each[:, n].mean(), max(interval[0], 0), min(interval[1], 1)))


def test_mirrored_images_predict_alike():
    net, image = Linear((112, 112), "multi-class", ("a", "b", "c"), test_time="mirror"), radiograph()
    turned = replace(image, array=image.array[::-1].copy())
    one, other = predict_images([image, turned], net)
    for name in "abc":
        assert one[name] == pytest.approx(other[name], abs=1e-5)
    assert sum(one[name][0] for name in "abc") == pytest.approx(1)


@pytest.mark.parametrize(("test_time", "views"), [("none", 1), ("mirror", 8), ("ten-crop", 10)])
def test_volumes_have_views_too(test_time, views):
    net = Linear((16, 16, 8), modality="CT", test_time=test_time)
    low, high = predict_images([make_ct()], net)[0]["sick"][1:]
    assert net.batches == [views] and (low is None) == (views == 1) and (high is None or low < high)
    released = Linear((16, 16, 8), modality="CT", fidelity="released")
    predict_images([make_ct()], released, test_time)
    assert released.batches == [1] * views


@pytest.mark.parametrize(("test_time", "views"), [("none", 1), ("mirror", 1), ("ten-crop", 9)])
def test_no_volume_is_mirrored_for_a_model_that_learnt_from_none(test_time, views):
    net, image = Linear((16, 16, 8), modality="CT", test_time=test_time, mirrored=False), make_ct()
    seen = views_of(torch.from_numpy(whole_image(image, net)), (16, 16, 8), test_time, mirrored=False)[:, 0]
    assert len(seen) == views and not any(torch.equal(one.flip(0), seen[0]) for one in seen)
    probability, low, _ = predict_images([image], net)[0]["sick"]
    assert net.batches == [views] and probability == pytest.approx(plain(net, seen[:, None])[:, 0].mean(), abs=1e-6)
    notes = view_notes("", net.plan)
    assert (low is None) == (views == 1) == (notes == []) and all(f"over {views} views" in note for note in notes)


def test_who_asks_for_mirrored_volumes_of_such_a_model_is_refused():
    says = {"without": {"mirrored": False}, "with": {"mirrored": True}, "nothing": {}}
    nets = {name: Linear((16, 16, 8), modality="CT", **task) for name, task in says.items()}
    with refused("trained-without-mirroring", ["mirror = True", "learnt from none"]):
        predict_images([make_ct()], nets["without"], "mirror")
    for name in ("with", "nothing"):
        predict_images([make_ct()], nets[name], "mirror")
        doubts = [note for note in view_notes("mirror", nets[name].plan) if "does not say" in note]
        assert nets[name].batches == [8] and len(doubts) == (name == "nothing")
    flat = Linear((112, 112), mirrored=False)
    predict_images([radiograph()], flat, "mirror")  # of radiographs as published
    assert flat.batches == [2]


def test_temperatures_move_probabilities_but_not_their_order():
    raw = np.array([[0.9, 0.2], [0.6, 0.7]])
    both = calibrate(raw, ["a", "b"], "multi-label", {"a": 2.0, "b": 1.0})
    assert both[:, 0] == pytest.approx(special.expit(special.logit(raw[:, 0]) / 2)) and both[:, 1] == pytest.approx(
        raw[:, 1]
    )
    rows = np.array([0.7, 0.2, 0.1])
    softer = calibrate(rows, ["a", "b", "c"], "multi-class", dict.fromkeys("abc", 3.0))
    assert softer == pytest.approx(special.softmax(np.log(rows) / 3)) and softer.sum() == pytest.approx(1)
    assert calibrate(np.array([0.0, 1.0]), ["a", "b"], "multi-label", {}).tolist() == [0.0, 1.0]
    net, image = Linear((112, 112)), radiograph()
    before = predict_images([image], net)[0]["sick"][0]
    net.plan = replace(net.plan, task={**net.plan.task, "temperature": {"sick": 4.0}})
    assert predict_images([image], net)[0]["sick"][0] == pytest.approx(special.expit(special.logit(before) / 4))


def test_the_table_marks_what_lies_above_its_threshold_or_is_likeliest():
    plan = Linear((8, 8), "multi-label", ("a", "b"), thresholds={"a": 0.9}).plan
    rows = class_rows([{"a": (0.8, None, None), "b": (0.8, 0.7, 0.9)}], ["x"], plan)
    assert [(row["threshold"], row["positive"]) for row in rows] == [(0.9, False), (0.5, True)]
    plan = Linear((8, 8), "multi-class", ("a", "b")).plan
    rows = class_rows([{"a": (0.4, None, None), "b": (0.6, None, None)}], ["x"], plan)
    assert [(row["threshold"], row["positive"]) for row in rows] == [(None, False), (None, True)]


def test_wrong_models_images_and_views_are_refused():
    with refused("model-unsuitable", names="'segmentation'"):
        net = Linear((112, 112))
        net.plan = replace(net.plan, task={"name": "segmentation"})
        predict_images([radiograph()], net)
    with refused("test-time-unknown", names="'five-crop'"):
        predict_images([radiograph()], Linear((112, 112)), "five-crop")
    with refused("not-2d"):
        predict_images([make_ct()], Linear((112, 112)))
    with refused("not-3d"):
        predict_images([radiograph()], Linear((16, 16, 8), modality="CT"))
    with refused("modality-mismatch", names=["MR", "CT"]):
        predict_images([replace(make_ct(), modality="MR")], Linear((16, 16, 8), modality="CT"))


@pytest.mark.parametrize("stated", ["CT", ""])
def test_a_model_of_mr_refuses_a_ct_also_where_it_does_not_say_that_it_is_one(stated):
    net = Linear((16, 16, 8), modality="MR")
    net.plan = replace(net.plan, normalisation={"kind": "mr-percentile"})
    with refused("modality-mismatch", names=["CT", "MR"]):
        predict_images([replace(make_ct(), modality=stated)], net)
    mr = replace(make_ct(), array=make_ct().array + np.int16(1000), modality="")
    assert 0 < predict_images([mr], net)[0]["sick"][0] < 1


@pytest.fixture
def images():
    return [radiograph(seed) for seed in range(6)]


@pytest.fixture
def net():
    return Linear((112, 112)).eval()


def save_probe(path, images, net, kind):
    """A probe of either kind, as the task leaves it; returns what it must predict for the first image."""
    features = embed_images([whole_image(image, net) for image in images], net)
    targets = np.array([[0.0], [1.0], [0.0], [1.0], [1.0], [0.0]], np.float32)
    head = fit_linear(features, targets, "binary", 1.0) if kind == "linear" else KNearest.of(features, targets, 3)
    task = {
        "name": "probing", "kind": "binary", "classes": ["sick"], "probe": kind, "model": "the model",
        "model_sha256": net.plan.sha256, **head.about(),
    }  # fmt: skip
    save_weights(path, head.tensors(), Plan("probe", {}, input_size=(112, 112), modality="CXR", task=task))
    return head.probabilities(features[:1], "binary")[0, 0]


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_a_probe_predicts_from_its_models_embeddings(tmp_path, images, net, kind):
    expected = save_probe(tmp_path / "probe.safetensors", images, net, kind)
    asked = []
    probe = open_probe(tmp_path / "probe.safetensors", lambda model: asked.append(model) or net)
    assert asked == ["the model"] and is_probe(tmp_path / "probe.safetensors")
    assert predict_images(images[:1], probe)[0]["sick"][0] == pytest.approx(
        expected, abs=2e-3
    )  # neighbours are kept in 16 bits


def test_a_probe_refuses_embeddings_of_another_model(tmp_path, images, net):
    save_probe(tmp_path / "probe.safetensors", images, net, "linear")
    other = Linear((112, 112))
    other.plan = replace(other.plan, sha256="def")
    with refused("probe-of-another-model", names="probe.safetensors"):
        open_probe(tmp_path / "probe.safetensors", lambda model: other)
