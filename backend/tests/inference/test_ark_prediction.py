"""Heads answer as the network's own layers do; findings are means over heads; the table tells which."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ark_nets import SETS, make_ark
from radiograph_fakes import radiograph
from refusals import refused
from scipy import stats

from medssl.core.plan import Plan
from medssl.images.radiograph import as_radiograph
from medssl.images.resizing import resized_to
from medssl.inference.classification.ark_heads import head_probabilities, predict_findings, predict_heads
from medssl.inference.classification.findings import read_findings
from medssl.inference.classification.predict import predict_images
from medssl.inference.classification.probe import LinearProbe
from medssl.inference.classification.probe_files import Probe
from medssl.inference.classification.views import mean_with_interval
from medssl.inference.image_embedding import as_input, whole_image


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
    with refused("test-time-unknown", names="'five-crop'"):
        predict_heads([image], net, "five-crop")


def ten_crops_by_hand(image):
    """Centre, corners and their mirror images (10, 56, 56) of all of a radiograph at 64 x 64."""
    pixels = resized_to(as_radiograph(image).pixels, (64, 64)).clip(0, 1)
    five = [pixels[y : y + 56, x : x + 56] for y, x in ((4, 4), (0, 0), (0, 8), (8, 0), (8, 8))]
    return np.stack([*five, *(crop[:, ::-1] for crop in five)])


def test_ten_crops_are_cut_from_the_radiograph_itself_not_from_its_reduced_copy(net):
    image = radiograph(0, (120, 80))
    for expected, found in zip(by_hand(net, ten_crops_by_hand(image)), head_probabilities(image, net, "ten-crop")):
        assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("test_time", ["none", "mirror", "ten-crop"])
def test_a_probe_on_an_ark_looks_at_views_that_differ(net, test_time):
    image, rng = radiograph(0, (120, 80)), np.random.default_rng(0)
    head = LinearProbe(rng.normal(size=(1, 24)), np.zeros(1), np.zeros(24), np.ones(24))
    task = {"name": "probing", "kind": "binary", "classes": ["sick"], "features": "projector"}
    probe = Probe(Plan("probe", {}, input_size=(56, 56), modality="CXR", task=task), net, head)
    pixels = whole_image(image, net)
    views = {"none": pixels[None], "mirror": np.stack([pixels, pixels[:, ::-1]]), "ten-crop": ten_crops_by_hand(image)}
    with torch.no_grad():
        features = net(as_input(torch.from_numpy(views[test_time].copy())[:, None], net)).numpy()
    each = head.probabilities(features, "binary")[:, 0]
    expected = mean_with_interval(["sick"], each.mean(axis=0, keepdims=True), each[:, None])["sick"]
    found = predict_images([image], probe, test_time)[0]["sick"]
    assert found == (expected if test_time == "none" else pytest.approx(expected, abs=1e-5))
    assert len(set(each.round(6))) == len(each)


def test_progress_is_told_and_may_stop(net):
    told = []
    predict_heads([radiograph()] * 2, net, progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        predict_findings([radiograph()] * 2, net, read_findings(net.sets), progress=stop)
