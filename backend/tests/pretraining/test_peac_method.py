"""PEAC's losses against slow, literal versions; what they do not depend on; where their gradients go."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from medssl.core import seeds
from medssl.distort.views import matched_cells
from medssl.networks.peac import PeacPair, standardise
from medssl.pretraining.peac.config import CELLS, PeacConfig
from medssl.pretraining.peac.loss import feature_spread, global_loss, local_loss, order_loss, restoration_loss
from medssl.pretraining.peac.method import Peac, PeacViews

T, N = CELLS**2, 3
SMALL = PeacConfig(backbone="swin_micro", global_hidden=32, local_hidden=16, drop_path=0.0)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def offsets() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randint(5, (N, 2), generator=generator) for _ in range(2))


@pytest.fixture(scope="module")
def method() -> Peac:
    return Peac(SMALL, "CXR")


@pytest.fixture(scope="module")
def batch(method: Peac) -> dict[str, Tensor]:
    side = method.config.sample_size[0]
    raw = torch.randint(256, (N, 1, side, side), generator=torch.Generator().manual_seed(0)).short()
    return {"raw": raw, "window": torch.tensor([[0.0, 255.0]]).repeat(N, 1)}


def test_the_order_loss_is_the_mean_negative_log_probability_of_the_right_place():
    logits, order = rand(N, T, T), torch.stack([torch.randperm(T) for _ in range(N)])
    literal = [
        -math.log(math.exp(logits[n, t, order[n, t]]) / sum(math.exp(v) for v in logits[n, t].tolist()))
        for n in range(N)
        for t in range(T)
    ]
    assert order_loss(logits, order).item() == pytest.approx(sum(literal) / len(literal), rel=1e-5)


def test_the_restoration_loss_is_a_mean_over_all_elements():
    one, two = rand(N, 3, 8, 8), rand(N, 3, 8, 8, seed=1)
    literal = sum((a - b) ** 2 for a, b in zip(one.flatten().tolist(), two.flatten().tolist())) / one.numel()
    assert restoration_loss(one, two).item() == pytest.approx(literal, rel=1e-5)


def test_the_global_loss_is_twice_the_mean_over_elements_of_unit_vectors_differences():
    student, teacher = rand(2, N, 5), rand(2, N, 5, seed=1)

    def unit(vector: Tensor) -> list[float]:
        return [v / math.sqrt(sum(w * w for w in vector.tolist())) for v in vector.tolist()]

    def mse(ours: Tensor, theirs: Tensor) -> float:
        squares = [(a - b) ** 2 for n in range(N) for a, b in zip(unit(ours[n]), unit(theirs[n]))]
        return sum(squares) / len(squares)

    literal = mse(student[0], teacher[1]) + mse(student[1], teacher[0])
    assert global_loss(student, teacher).item() == pytest.approx(literal, rel=1e-5)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_the_local_loss_walks_over_shared_cells_of_samples_in_order(offsets, fidelity: str):
    student, teacher = rand(2, N, T, 4), rand(2, N, T, 4, seed=1)
    used = torch.tensor([True, False, True])
    first, second = offsets
    squares = []
    for n in range(N):
        for r in range(CELLS):
            for c in range(CELLS):
                down, right = (first[n] - second[n]).tolist()
                if fidelity == "released":
                    down, right = right, down
                row, column = r + down, c + right
                if not (used[n] and 0 <= row < CELLS and 0 <= column < CELLS):
                    continue
                here, there = r * CELLS + c, row * CELLS + column
                one = (student[0, n, here] - teacher[1, n, there]).square().tolist()
                two = (teacher[0, n, here] - student[1, n, there]).square().tolist()
                squares += [0.5 * (a + b) for a, b in zip(one, two)]
    matches = matched_cells(first, second, CELLS, fidelity)
    assert local_loss(student, teacher, matches, used).item() == pytest.approx(sum(squares) / len(squares), rel=1e-5)


def test_swapping_the_crops_changes_neither_consistency(offsets):
    student, teacher, used = rand(2, N, T, 4), rand(2, N, T, 4, seed=1), torch.ones(N, dtype=torch.bool)
    first, second = offsets
    there = local_loss(student, teacher, matched_cells(first, second, CELLS), used)
    back = local_loss(student.flip(0), teacher.flip(0), matched_cells(second, first, CELLS), used)
    assert there.item() == pytest.approx(back.item(), rel=1e-5)
    one, two = rand(2, N, 8), rand(2, N, 8, seed=1)
    assert global_loss(one, two).item() == pytest.approx(global_loss(one.flip(0), two.flip(0)).item(), rel=1e-6)


def test_identical_crops_and_networks_agree_completely(method: Peac):
    pair: PeacPair = method.network().eval()
    crop = torch.rand(N, 1, pair.student.side, pair.student.side)
    in_order = torch.arange(T).expand(N, T)
    views = PeacViews(crop, crop, crop, torch.zeros(N, dtype=torch.bool), in_order, in_order)
    with torch.no_grad():
        terms = method.loss(pair, views)
    assert terms["global"].item() == pytest.approx(0.0, abs=1e-9)
    assert terms["local"].item() == pytest.approx(0.0, abs=1e-9)
    assert terms["order"].item() > 0 and terms["restore"].item() > 0


def test_the_loss_is_the_weighted_sum_of_its_terms(batch):
    config = dataclasses.replace(SMALL, order_weight=2.0, restore_weight=3.0, global_weight=5.0, local_weight=7.0)
    method = Peac(config, "CXR")
    pair = method.network().eval()
    with torch.no_grad():
        pair.teacher.mlp[0].weight.mul_(-1.0)  # teacher and student differ, so that no term is zero
        terms = method.loss(pair, method.views(batch, seeds.generator(2, "views")))
    wanted = 2 * terms["order"] + 3 * terms["restore"] + 5 * terms["global"] + 7 * terms["local"]
    assert terms["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert min(value.item() for name, value in terms.items() if name != "local") > 0


def test_no_gradient_reaches_the_teacher_and_every_term_reaches_the_student(method: Peac, batch):
    views = method.views(batch, seeds.generator(1, "views"))
    assert 0 < views.shuffled.sum() < N, "both kinds of samples are needed here"
    for term, touched in (("order", "head"), ("restore", "decoder"), ("global", "mlp"), ("local", "mlp_local")):
        pair = method.network().train()
        with torch.no_grad():
            for parameter in pair.teacher.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        method.loss(pair, views)[term].backward()
        assert all(p.grad is None for p in pair.teacher.parameters())
        assert any(p.grad.abs().sum() > 0 for p in getattr(pair.student, touched).parameters()), term
        assert pair.student.swin_model.patch_embed.proj.weight.grad.abs().sum() > 0, term


def test_without_a_sample_in_order_the_local_loss_is_a_zero_with_a_gradient():
    student = rand(2, N, T, 4).requires_grad_()
    loss = local_loss(student, rand(2, N, T, 4), torch.arange(T).expand(N, T), torch.zeros(N, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0 and torch.equal(student.grad, torch.zeros_like(student))


def test_a_shuffled_crop_keeps_its_appearance_and_a_distorted_one_its_order(method: Peac, batch):
    views = method.views(batch, seeds.generator(1, "views"))
    for n, shuffled in enumerate(views.shuffled.tolist()):
        values = views.distorted[n].flatten().sort().values
        same_values = torch.equal(values, views.original[n].flatten().sort().values)
        assert same_values == shuffled
        assert shuffled or torch.equal(views.order[n], torch.arange(T))
    assert views.original.min() >= 0 and views.original.max() <= 1


def test_what_is_described_is_what_was_done(method: Peac, batch):
    views = method.views(batch, seeds.generator(1, "views"))
    names = method.describe(batch, seeds.generator(1, "views"))
    assert [name == ["cells"] for name in names] == views.shuffled.tolist()


def test_the_teacher_follows_by_a_momentum_that_grows_to_one():
    method = Peac(dataclasses.replace(SMALL, teacher_momentum=0.9), "CXR")
    pair = method.network()
    for step, momentum in ((0, 0.9), (50, 0.95), (100, 1.0)):
        with torch.no_grad():
            pair.student.head.bias.fill_(1.0)
            pair.teacher.head.bias.fill_(0.0)
        method.after_step(pair, step, 100)
        assert pair.teacher.head.bias[0].item() == pytest.approx(1.0 - momentum, abs=1e-6)


def test_a_constant_embedding_has_no_spread():
    assert feature_spread(torch.ones(2, 3, 7, 5)).item() == pytest.approx(0.0, abs=1e-6)
    assert feature_spread(rand(2, 3, 50, 64)).item() == pytest.approx(1.0, abs=0.05)


def test_guessing_is_what_a_network_scores_that_knows_nothing(method: Peac):
    means = {"order": 1.0, "restore": 2.0, "global": 0.0, "local": 0.0, "target_mean": 1.0, "target_square": 5.0}
    values = method.summarise({**means, "output_variance": 0.3, "global_embedding_variance": 0.2, "several": 0.8})
    assert values["global_embedding_variance"] == pytest.approx(0.25) and "several" not in values
    assert values["constant_mean_loss"] == pytest.approx(math.log(T) + 4.0)
    assert values["validation_loss"] == pytest.approx(3.0)


def test_the_network_sees_the_published_normalisation():
    assert standardise(torch.full((1, 1, 2, 2), 0.5056)).abs().max() < 1e-6
    assert standardise(torch.ones(1, 1, 2, 2)).shape == (1, 3, 2, 2)


def test_the_heads_of_the_embeddings_learn_at_a_rate_of_their_own():
    assert Peac(SMALL, "CXR").groups(Peac(SMALL, "CXR").network()) is None
    method = Peac(dataclasses.replace(SMALL, embedding_rate=0.01), "CXR")
    pair = method.network()
    groups = method.groups(pair)
    given = [p for group in groups for p in group["params"]]
    learning = [p for p in pair.student.parameters() if p.requires_grad]
    assert {id(p) for p in given} == {id(p) for p in learning} and len(given) == len(learning)
    scale = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    for name, parameter in pair.student.named_parameters():
        if parameter.requires_grad:
            assert scale[id(parameter)] == (0.01 if name.startswith("mlp") else 1.0), name
    assert all((group["weight_decay"] > 0) == (p.ndim > 1) for group in groups for p in group["params"])
