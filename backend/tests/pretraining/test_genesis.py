from __future__ import annotations

import dataclasses

import pytest
import torch
from refusals import refused

from medssl.core import seeds
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.genesis.method import Genesis, GenesisViews

OFF = dict(flip_probability=0.0, shuffle_probability=0.0, bezier_probability=0.0, paint_probability=0.0)


def make(**settings) -> Genesis:
    return Genesis(dataclasses.replace(GenesisConfig(), **settings), "CT")


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    hu = torch.randint(-1200, 1200, (4, 1, 24, 24, 24), generator=torch.Generator().manual_seed(0)).short()
    return {"raw": hu, "window": torch.tensor([[-1000.0, 1000.0]]).repeat(4, 1)}


def test_without_any_distortion_input_and_target_are_the_normalised_cube(batch):
    views = make(**OFF).views(batch, seeds.generator(0, "x"))
    assert torch.equal(views.distorted, views.original)
    assert torch.allclose(views.original, ((batch["raw"].float() + 1000) / 2000).clamp(0, 1))


def test_a_flip_moves_input_and_target_alike(batch):
    views = make(**{**OFF, "flip_probability": 1.0}).views(batch, seeds.generator(0, "x"))
    assert torch.equal(views.distorted, views.original)
    assert not torch.allclose(views.original, ((batch["raw"].float() + 1000) / 2000).clamp(0, 1))


def test_every_distortion_changes_the_input_only(batch):
    for name in ("shuffle_probability", "bezier_probability", "paint_probability"):
        views = make(**{**OFF, name: 1.0}).views(batch, seeds.generator(0, "x"))
        assert not torch.equal(views.distorted, views.original), name
        assert torch.allclose(views.original, ((batch["raw"].float() + 1000) / 2000).clamp(0, 1)), name


def test_the_loss_is_the_mean_squared_error():
    x, y = torch.rand(2, 1, 8, 8, 8), torch.rand(2, 1, 8, 8, 8)
    loss = make().loss(torch.nn.Identity(), GenesisViews(x, y))["loss"]
    assert loss.item() == pytest.approx(((x - y) ** 2).sum().item() / x.numel(), rel=1e-5)
    assert make().loss(torch.nn.Identity(), GenesisViews(x, x))["loss"].item() == 0.0


def test_the_constant_mean_loss_is_the_variance_of_the_targets():
    target = torch.rand(3, 1, 8, 8, 8)
    method = make()
    terms = {k: v.item() for k, v in method.evaluate(torch.nn.Identity(), GenesisViews(target, target)).items()}
    assert method.summarise(terms)["constant_mean_loss"] == pytest.approx(target.var(unbiased=False).item(), rel=1e-4)


def test_a_cube_that_cannot_be_halved_three_times_is_refused():
    with refused("not-a-multiple-of-eight", names="cube = [20, 16, 16]"):
        make(cube=(20, 16, 16))
