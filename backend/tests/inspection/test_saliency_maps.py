"""Saliency maps are where the evidence is known to lie, say so of random networks, and keep the image's geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from inspection_fakes import Identity
from planted import SETS, SIDE, SQUARE, ark, as_volume, classifier, planted
from refusals import refused

from medssl.core.errors import CancelledError
from medssl.inference.classification.predict import predict_images
from medssl.inference.untrained import untrained
from medssl.inspection.saliency.maps import METHODS, grad_cam, occlusion, positive_scores, saliency_map
from medssl.inspection.saliency.randomisation_check import LIMIT, rank_check, rank_correlation
from medssl.inspection.saliency.target import find_target

IMAGES = 8
OUTPUTS = [(classifier, "bright", ""), (ark, "Mass", "first"), (ark, "Mass", "second")]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("network", "finding", "head"), OUTPUTS)
def test_the_map_lies_where_the_planted_square_does(network, finding, head, method):
    net, hits = network(), []
    for seed in range(IMAGES):
        image, middle = planted(seed)
        found = saliency_map(as_volume(image), net, finding, head, method, check=False)
        peak = np.unravel_index(found.map.argmax(), found.map.shape)
        hits.append(np.abs(np.array(peak) - 2 * np.array(middle)).max() <= 2 * SQUARE)
        assert found.probability > 0.5 and found.map.max() <= 1 and found.map.dtype == np.float32
    assert np.mean(hits) >= 0.8, f"{np.sum(hits)} of {IMAGES}; by chance {(2 * SQUARE / SIDE) ** 2:.0%} of them"


@pytest.mark.parametrize("method", METHODS)
def test_the_square_speaks_against_the_opposite(method):
    net, (image, _) = classifier(), planted(0)
    looked = torch.from_numpy(image)[None, None]
    score = {"grad-cam": grad_cam, "occlusion": occlusion}[method]
    dim, bright = (score(net, looked, find_target(net, name)) for name in ("dim", "bright"))
    assert np.corrcoef(dim.ravel(), bright.ravel())[0, 1] < -0.5
    assert positive_scores(dim)[np.unravel_index(bright.argmax(), bright.shape)] < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_random_weights_change_the_map(method):
    image, _ = planted(1)
    found = saliency_map(as_volume(image), ark(), "Mass", method=method)
    assert found.check.passed and found.check.similarity < LIMIT
    assert f"from random weights (rank correlation {found.check.similarity:.2f})" in found.text
    assert found.text.startswith(
        f"{METHODS[method]} of Mass (first), probability 1.00, brightest +{found.peak:.2g} log-odds;"
    )
    assert found.peak == found.scores.max() > 0 and found.map.max() <= 1
    again = saliency_map(as_volume(image), ark(), "Mass", method=method)
    assert again.check == found.check and np.array_equal(again.map, found.map), "random networks have their seeds"


def test_a_map_of_the_image_alone_fails_the_check():
    """An edge detector: what it shows does not depend on the network."""
    edges = np.abs(np.gradient(planted(0)[0])[0])
    check = rank_check(edges, classifier(), 3, lambda net, turn: edges)
    assert (
        check.similarity == pytest.approx(1)
        and not check.passed
        and check.text == "does NOT differ from random weights (rank correlation 1.00)"
    )
    other = rank_check(edges, classifier(), 3, lambda net, turn: -edges)
    assert not other.passed, "the same places with the other sign"


def test_the_random_networks_are_built_as_the_model_is():
    net, seen = ark(), []
    rank_check(np.eye(4), net, 2, lambda one, turn: seen.append(one) or np.zeros((4, 4)))
    state = [one.state_dict() for one in (net, *seen)]
    assert state[0].keys() == state[1].keys()
    name = "omni_heads.0.weight"
    assert len({float(one[name].sum()) for one in state}) == 3 and not seen[0].training
    assert torch.equal(state[1][name], untrained(net.plan, 1).state_dict()[name])


def test_rank_correlation_of_maps_that_do_not_vary():
    ramp = np.arange(9.0).reshape(3, 3)
    assert rank_correlation(ramp, np.exp(ramp)) == pytest.approx(1)
    assert rank_correlation(np.ones((3, 3)), ramp) == 1, "it cannot differ"
    assert rank_correlation(ramp, np.ones((3, 3))) == 0


def test_occlusion_equals_hiding_one_place_after_the_other():
    """A literal version: the mean fall over all squares that hide a place."""
    from medssl.inference.image_embedding import as_input
    from medssl.inspection.saliency.maps import STEPS, WIDTH

    net, looked = classifier(), torch.from_numpy(planted(3)[0])[None, None]
    target = find_target(net, "bright")
    edges = [round(n * SIDE / STEPS) for n in range(STEPS + 1)]
    falls = {place: [] for place in np.ndindex(STEPS, STEPS)}
    with torch.no_grad():
        before = net(as_input(looked, net))[0, 1]
        for top, left in np.ndindex(STEPS + WIDTH - 1, STEPS + WIDTH - 1):
            rows, columns = (range(max(n - WIDTH + 1, 0), min(n + 1, STEPS)) for n in (top, left))
            hidden = looked.clone()
            hidden[..., edges[rows[0]] : edges[rows[-1] + 1], edges[columns[0]] : edges[columns[-1] + 1]] = (
                looked.mean()
            )
            fall = float(before - net(as_input(hidden, net))[0, 1])
            for row in rows:
                for column in columns:
                    falls[row, column].append(fall)
    expected = np.array([np.mean(some) for some in falls.values()]).reshape(STEPS, STEPS)
    assert occlusion(net, looked, target) == pytest.approx(expected, abs=1e-4)


def test_the_scores_of_grad_cam_add_up():
    """Completeness of integrated gradients: their sum is the image's log-odds above those of its mean token alone."""
    from medssl.inference.image_embedding import as_input

    net, looked = ark(), torch.from_numpy(planted(2)[0])[None, None]
    target = find_target(net, "Mass", "second")
    with torch.no_grad():
        x = net.patch_embed(as_input(looked, net))
        y = x.mean(dim=(1, 2), keepdim=True).expand_as(x)
        for stage in net.layers:
            y = stage.downsample(stage.blocks(y))
        plain, full = (
            net.logits(net.projector(t))[1][0] for t in (net.norm(y).mean((1, 2)), net.features(as_input(looked, net)))
        )
        gain = float((full[2] - full[:2].logsumexp(0)) - (plain[2] - plain[:2].logsumexp(0)))
    assert grad_cam(net, looked, target, points=150).sum() == pytest.approx(gain, rel=0.1)


def test_the_probability_is_that_of_a_single_look():
    image = as_volume(planted(4)[0])
    assert saliency_map(image, classifier(), "bright", check=False).probability == pytest.approx(
        predict_images([image], classifier(), "none")[0]["bright"][0], abs=1e-6
    )
    whole = saliency_map(image, ark(), "Mass", "second", check=False)
    with torch.no_grad():
        seen = torch.from_numpy(planted(4)[0])[None, None]
        expected = ark().probabilities(ark().standardise(seen))[1][0, 2]
    assert whole.probability == pytest.approx(float(expected), abs=0.02)  # 8 bits


def test_borders_and_what_the_crop_leaves_out_are_not_looked_at():
    image = np.kron(planted(5)[0], np.ones((2, 2)))  # 112 x 112
    framed = np.zeros((140, 180), np.float32)
    framed[20:132, 30:142] = image
    volume = replace(as_volume(planted(5)[0]), array=np.rint(255 * framed.T).astype(np.int16))
    inner = saliency_map(as_volume(planted(5)[0]), ark(), "Mass", check=False).map
    found = saliency_map(volume, ark(), "Mass", check=False)
    assert found.map.shape == (140, 180) and found.map[20:132, 30:142] == pytest.approx(inner, abs=1e-6)
    outside = np.ones(framed.shape, bool)
    outside[20:132, 30:142] = False
    assert not found.map[outside].any() and any("borders" in note for note in found.notes)
    cropped = saliency_map(as_volume(planted(5)[0]), classifier(), "bright", check=False).map
    assert not cropped[:7].any() and not cropped[:, -7:].any(), "a classifier sees the middle 7/8"
    assert cropped[7:-7, 7:-7].max() > 0.9


def test_heads_and_synonyms():
    net = ark()
    assert find_target(net, "mass").title == "Mass (first)"
    assert find_target(net, "Pleural Effusion").finding == "Effusion"
    target = find_target(net, "Mass", "second")
    assert (target.number, target.index, target.exclusive) == (1, 2, True)
    assert find_target(classifier(), "dim").title == "dim"


@pytest.mark.parametrize(
    ("ask", "code", "names"),
    [
        (lambda: find_target(ark(), "Hernia"), "finding-unknown", "Hernia"),
        (lambda: find_target(ark(), "Mass", "third"), "head-unknown", "'third'"),
        (lambda: find_target(ark(), "Effusion", "second"), "finding-unknown", "Effusion"),
        (lambda: find_target(classifier(), "brigth"), "class-unknown", "'bright'"),
        (lambda: find_target(classifier(), "bright", "first"), "head-unknown", "'first'"),
        (lambda: find_target(Identity(), "bright"), "model-unsuitable", "'genesis'"),
    ],
)
def test_what_no_model_knows(ask, code, names):
    with refused(code, names):
        ask()


def test_an_unknown_method():
    with refused("method-unknown", names=["'gradient'", "grad-cam, occlusion"]):
        saliency_map(as_volume(planted(0)[0]), ark(), "Mass", method="gradient")


def test_a_finding_that_nothing_speaks_for():
    """Effusion was never positive: wherever the scores are negative the map is empty and says so."""
    assert not positive_scores(-np.ones((3, 3))).any()
    assert positive_scores(np.array([[-1.0, 2.0, 4.0]])).tolist() == [[0.0, 0.5, 1.0]]


def test_a_stop_is_heard():
    def stop(share, message):
        if share > 0.3:
            raise CancelledError("saliency")

    with pytest.raises(CancelledError):
        saliency_map(as_volume(planted(0)[0]), ark(), "Mass", method="occlusion", progress=stop)


def test_the_model_is_left_as_it_was():
    before = {name: tensor.clone() for name, tensor in ark().state_dict().items()}
    saliency_map(as_volume(planted(0)[0]), ark(), SETS[0]["classes"][1])
    assert all(torch.equal(tensor, before[name]) for name, tensor in ark().state_dict().items())
    assert all(parameter.grad is None for parameter in untrained(ark().plan, 0).parameters())
