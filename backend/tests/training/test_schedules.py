from __future__ import annotations

import dataclasses
import itertools
import math
from datetime import timedelta

import pytest
import torch
from lightning_fabric import Fabric
from refusals import refused

from medssl.core import seeds
from medssl.training import monitors as monitors
from medssl.training.config import TrainingConfig
from medssl.training.fabric import choose_precision, make_fabric
from medssl.training.loop import shared_out
from medssl.training.optimisers import learning_rate, make_optimizer

BASE = TrainingConfig(steps=100, learning_rate=0.8, warmup_steps=10, decay_every=30)


def rates(schedule: str, **fields) -> list[float]:
    config = dataclasses.replace(BASE, schedule=schedule, **fields)
    return [learning_rate(config, step) for step in range(config.steps)]


def test_warm_up_is_linear_and_ends_at_the_peak():
    assert rates("cosine")[:10] == pytest.approx([0.08 * n for n in range(1, 11)])


def test_cosine_falls_from_the_peak_towards_zero():
    found = rates("cosine")
    assert found[10] == 0.8 and found[55] == pytest.approx(0.4) and found[-1] < 0.001
    assert all(a >= b for a, b in itertools.pairwise(found[10:]))


def test_step_halves_and_constant_stays():
    found = rates("step", warmup_steps=0)
    assert (found[29], found[30], found[60], found[90]) == (0.8, 0.4, 0.2, 0.1)
    assert set(rates("constant", warmup_steps=0)) == {0.8}


def test_poly_falls_with_the_power_of_what_is_left():
    found = rates("poly", warmup_steps=0)
    assert (
        found[0] == 0.8 and found[50] == pytest.approx(0.8 * 0.5**0.9) and found[99] == pytest.approx(0.8 * 0.01**0.9)
    )


def test_sgd_has_nesterovs_momentum_where_it_is_asked_for():
    network = torch.nn.Linear(3, 4)
    for nesterov in (False, True):
        config = dataclasses.replace(BASE, optimizer="sgd", nesterov=nesterov)
        assert make_optimizer(network, config).param_groups[0]["nesterov"] is nesterov


def test_plateau_halves_as_often_as_told():
    assert learning_rate(dataclasses.replace(BASE, schedule="plateau"), 50, halvings=2) == 0.2


@pytest.mark.parametrize(("groups", "processes"), [(3, 2), (8, 3), (1, 4), (4, 1)])
def test_every_process_validates_as_often_and_every_group_counts_once(groups: int, processes: int):
    shares = [shared_out(groups, rank, processes) for rank in range(processes)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(n for share in shares for n, counts in share if counts) == list(range(groups))


def test_biases_and_norms_are_not_decayed():
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    decayed, plain = make_optimizer(network, BASE).param_groups
    assert [p.ndim for p in decayed["params"]] == [2] and all(p.ndim == 1 for p in plain["params"])
    assert plain["weight_decay"] == 0.0 and decayed["weight_decay"] == BASE.weight_decay


def test_seeds_differ_by_purpose_and_number_and_repeat():
    drawn = {seeds.derive(s, p, n) for s in (0, 1) for p in ("views", "network") for n in range(50)}
    assert len(drawn) == 200 and seeds.derive(3, "views", 7) == seeds.derive(3, "views", 7)


@pytest.mark.parametrize(
    ("loss", "constant", "variance", "collapsed"),
    [(0.02, 0.05, 0.03, False), (0.05, 0.05, 0.03, True), (0.02, 0.05, 0.0001, True), (0.09, 0.05, 0.03, False)],
)
def test_collapse(loss: float, constant: float, variance: float, collapsed: bool):
    values = {"validation_loss": loss, "constant_mean_loss": constant, "output_variance": variance}
    assert (monitors.collapse(values) is not None) == collapsed


@pytest.mark.parametrize(("globe", "collapsed"), [(0.3, False), (0.009, True)])
def test_every_embedding_is_watched_for_collapse_and_named(globe: float, collapsed: bool):
    values = {"validation_loss": 1.0, "constant_mean_loss": 5.0, "output_variance": 0.5, "target_variance": 1.0}
    found = monitors.collapse({**values, "global_embedding_variance": globe})
    assert (found is not None and "global embedding" in found.message) == collapsed
    by_loss = monitors.collapse({**values, "validation_loss": 5.0, "global_embedding_variance": globe})
    assert ("global embedding" in by_loss.message) == collapsed and "loss 1.00" in by_loss.message


def test_not_a_number():
    assert monitors.non_finite(0.1, 1) is None
    assert monitors.non_finite(math.nan, 1).code == monitors.non_finite(math.inf, 1).code == "not-a-number"


def test_half_precision_on_a_processor_is_refused():
    with refused("precision-unsupported", names="fp16"):
        choose_precision("fp16", "cpu")
    assert choose_precision("fp32", "cpu") == "fp32" and choose_precision("auto", "cpu") in ("bf16", "fp32")


@pytest.mark.parametrize(("heads", "named"), [(False, "ddp"), (True, "ddp_find_unused_parameters_true")])
def test_processes_wait_for_the_first_that_measures_alone(heads: bool, named: str):
    config = dataclasses.replace(BASE, devices=2)
    found, usual = (
        make_fabric(config, "cpu", heads).strategy,
        Fabric(accelerator="cpu", strategy=named, devices=2).strategy,
    )
    assert found._timeout >= timedelta(hours=12) > usual._timeout
    assert (type(found), found._ddp_kwargs, found._start_method) == (
        type(usual),
        usual._ddp_kwargs,
        usual._start_method,
    )


@pytest.mark.parametrize(
    ("steps", "warmup", "every", "first"),
    [(4_000, 100, 200, 400), (1_000_000, 500, 2_400, 12_000), (300, 500, 10, 500)],
)
def test_a_collapse_is_looked_for_early_in_long_trainings(steps, warmup, every, first):
    config = TrainingConfig(steps=steps, warmup_steps=warmup, validate_every=every)
    assert monitors.collapse_from(config) == first
