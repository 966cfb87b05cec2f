"""Losses of classification against literal ones, and mixup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refused
from task_sets import SMALL, run, task_spec, write_pictures, write_volumes
from torchvision.ops import sigmoid_focal_loss

from medssl.core import seeds
from medssl.core.registry import config_class
from medssl.core.schema import build
from medssl.tasks import TASKS
from medssl.tasks.classification.class_weights import (
    INVERSE_MOST,
    ClassWeights,
    class_weights,
    inverse_frequencies,
    positive_weights,
)
from medssl.tasks.classification.loss import classification_loss
from medssl.tasks.classification.mixup import draw_mixup, mix

NAN = float("nan")
LOOP = SMALL["classification"]["training"]


def test_the_loss_equals_a_literal_one_and_unknown_labels_have_no_gradient():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, generator=generator, requires_grad=True)
    targets = torch.tensor([[1, 0, NAN], [0, 1, 1], [NAN, 0, 0], [1, 1, 0], [0, 0, 1.0]])
    weights = torch.tensor([2.0, 1.0, 0.5])
    total, known = 0.0, 0
    for row in range(5):
        for column in range(3):
            y, z = targets[row, column], logits[row, column]
            if not y.isnan():
                p = 1 / (1 + torch.exp(-z))
                total = total - weights[column] * y * torch.log(p) - (1 - y) * torch.log(1 - p)
                known += 1
    found = classification_loss(logits, targets, "multi-label", ClassWeights(weights, torch.ones(3)))
    assert found.item() == pytest.approx(float((total / known).detach()), rel=1e-5)
    found.backward()
    assert logits.grad[0, 2] == 0 and logits.grad[2, 0] == 0 and (logits.grad[1] != 0).all()
    one_hot = torch.eye(3)[[0, 2, 1, 1, 0]]
    one_hot[1] = NAN
    kept = [0, 2, 3, 4]
    expected = -torch.log_softmax(logits[kept], 1)[range(4), [0, 1, 1, 0]].mean()
    assert classification_loss(logits, one_hot, "multi-class").item() == pytest.approx(expected.item(), rel=1e-5)


def test_rare_findings_weigh_more():
    targets = np.array([[1, 0], [0, np.nan], [0, 1], [0, 1]], np.float32)
    assert positive_weights(targets).tolist() == [3.0, 0.5]


def test_the_focal_loss_of_findings_is_that_of_torchvision():
    generator = torch.Generator().manual_seed(1)
    logits, targets = torch.randn(6, 4, generator=generator), torch.randint(2, (6, 4), generator=generator).float()
    for focus in (0.5, 2.0, 5.0):
        expected = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=focus, reduction="mean")
        assert classification_loss(logits, targets, "binary", focus=focus).item() == pytest.approx(
            expected.item(), rel=1e-5
        )
    alpha = ClassWeights(torch.full((4,), 0.25), torch.full((4,), 0.75))
    expected = sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=2, reduction="mean")
    assert classification_loss(logits, targets, "binary", alpha, 2.0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_focal_loss_of_classes_equals_a_literal_one_and_unknown_labels_have_no_gradient():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(2), requires_grad=True)
    targets = torch.eye(3)[[0, 2, 1, 1]]
    targets[1] = NAN
    weights = torch.tensor([2.0, 1.0, 0.5])
    p = torch.softmax(logits, 1)[[0, 2, 3], [0, 1, 1]]
    expected = (-weights[[0, 1, 1]] * (1 - p) ** 2 * p.log()).mean()
    found = classification_loss(logits, targets, "multi-class", ClassWeights(weights, torch.ones(3)), 2.0)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    assert (logits.grad[1] == 0).all() and (logits.grad[[0, 2, 3]] != 0).all()


@pytest.mark.parametrize("kind", ["multi-label", "multi-class"])
def test_a_focal_loss_has_a_gradient_where_an_answer_is_exactly_right(kind: str):
    logits = torch.tensor([[40.0, -40.0], [-40.0, 40.0]], requires_grad=True)
    classification_loss(logits, torch.eye(2), kind, focus=0.5).backward()
    assert torch.isfinite(logits.grad).all()


def test_inverse_frequencies_make_classes_count_alike_up_to_a_limit():
    targets = np.array([[1, 0, 0]] * 1 + [[0, 1, 0]] * 4 + [[0, 0, 1]] * 5, np.float32)
    assert inverse_frequencies(targets, "multi-class").positive.tolist() == pytest.approx([10 / 3, 10 / 12, 10 / 15])
    finding = np.array([[1.0], [0], [0], [0], [NAN]], np.float32)
    weights = class_weights("inverse-frequency", finding, "binary")
    assert weights.positive.tolist() == [2.0] and weights.negative.tolist() == pytest.approx([4 / 6])
    logits = torch.zeros(5, 1, requires_grad=True)
    classification_loss(logits, torch.from_numpy(finding), "binary", weights).backward()
    assert logits.grad[0, 0].item() == pytest.approx(-logits.grad[1:4].sum().item()) and logits.grad[4, 0] == 0
    rare = np.eye(1, 500, dtype=np.float32).T
    assert inverse_frequencies(rare, "binary").positive.tolist() == [INVERSE_MOST]
    assert class_weights("sampler", finding, "binary") is None


def test_mixing_is_drawn_by_the_generator_and_shares_follow_beta():
    images = torch.rand(3, 1, 4, 4)
    targets = torch.tensor([[1.0, NAN], [0.0, 1.0], [0.0, 0.0]])
    one, same, other = (draw_mixup(3, 0.4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert one.share == same.share != other.share and torch.equal(one.partners, same.partners)
    for n, partner in enumerate(one.partners.tolist()):
        torch.testing.assert_close(mix(images, one)[n], one.share * images[n] + (1 - one.share) * images[partner])
    mixed = mix(targets, one)
    assert mixed[:, 1].isnan().tolist() == [0 in (n, p) for n, p in enumerate(one.partners.tolist())]
    shares = np.array([draw_mixup(2, 0.4, seeds.generator(0, "views", n)).share for n in range(400)])
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    assert shares.var() == pytest.approx(0.25 / 1.8, abs=0.02)  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_trainings_with_mixup_and_focal_loss_repeat_exactly(tmp_path: Path):
    over = {"mixup": 0.4, "loss": "focal", "balance": "inverse-frequency", "training": {**LOOP, "batch_size": 4}}
    data = write_pictures(tmp_path / "data")
    _, first = run(task_spec("classification", data, **over), tmp_path / "a")
    _, second = run(task_spec("classification", data, **over), tmp_path / "b")
    _, plain = run(task_spec("classification", data, **{**over, "mixup": 0.0}), tmp_path / "c")
    losses = [[event["loss"] for event in job.of("loss")] for job in (first, second, plain)]
    assert losses[0] == losses[1] and losses[0][0] != losses[2][0] and np.isfinite(losses).all()


def test_volumes_are_mixed_too_and_batches_of_one_cannot_be(tmp_path: Path):
    data = write_volumes(tmp_path / "data")
    over = {"labels": "sex", "crop": [16, 16, 16], "base_width": 4}
    headline, _ = run(task_spec("classification", data, **over, mixup=0.2), tmp_path)
    assert headline["validation"]["auc"] is not None
    with refused("nothing-to-mix", names="mixup = 0.2"):
        build(config_class(TASKS, "classification"), {"mixup": 0.2, "training": {"batch_size": 1}})
