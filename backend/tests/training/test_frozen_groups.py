"""Parts of a network that do not learn yet: they count for nothing, and a resume goes on alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FakeRun
from loop_toys import plain_network, run_toy, same
from torch import nn

from medssl.core.errors import CancelledError

SHARP = {"optimizer": "sgd", "clip_gradient": 0.05}  # by which every gradient is clipped


def backbone_from(step: int, net: nn.Module) -> list[dict[str, Any]]:
    """The first layer learns from a step on, the last from the beginning."""
    first, _, last = net.children()
    return [{"params": list(first.parameters()), "frozen_until": step}, {"params": list(last.parameters())}]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_head_is_clipped_by_its_own_gradient(tmp_path: Path, precision: str):
    alone = plain_network()
    alone[0].requires_grad_(False)
    expected, *_ = run_toy(
        tmp_path / "a", net=alone, precision=precision, groups=lambda net: [{"params": list(net[2].parameters())}], **SHARP
    )  # fmt: skip
    loop, *_ = run_toy(
        tmp_path / "b", net=plain_network(), precision=precision, groups=lambda net: backbone_from(99, net), **SHARP
    )  # fmt: skip
    assert same(loop, expected)
    assert torch.equal(loop.bare[0].weight, plain_network()[0].weight)


@pytest.mark.parametrize("stop", [2, 4])
def test_a_backbone_that_thaws_is_resumed_alike(tmp_path: Path, stop: int):
    settings: dict[str, Any] = {"groups": lambda net: backbone_from(3, net), "clip_gradient": 0.05}
    whole, *_ = run_toy(tmp_path / "a", net=plain_network(), **settings)
    run = FakeRun(tmp_path / "b" / "job", tmp_path / "b" / "home", cancel_at=stop)
    with pytest.raises(CancelledError):
        run_toy(tmp_path / "b", net=plain_network(), run=run, **settings)
    again = FakeRun(run.folder, run.home, resume=True)
    resumed, *_ = run_toy(tmp_path / "b", net=plain_network(), run=again, **settings)
    assert again.of("resumed") and same(whole, resumed)
    assert not torch.equal(resumed.bare[0].weight, plain_network()[0].weight), "it has thawed"


def test_where_the_rate_itself_is_nothing_all_gradients_stay(tmp_path: Path):
    """A gradient scaler refuses a step without any."""
    loop, *_ = run_toy(tmp_path, net=plain_network(), steps=1, validate_every=1)
    for group in loop.optimizer.param_groups:
        group["lr"] = 0.0
    for parameter in loop.bare.parameters():
        parameter.grad = torch.ones_like(parameter)
    loop.step._let_rest()
    assert all(parameter.grad is not None for parameter in loop.bare.parameters())
