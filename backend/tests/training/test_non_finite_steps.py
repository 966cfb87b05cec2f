"""A loss or gradient that is NaN or infinite in bf16 or fp16: the step is computed again in fp32."""

from __future__ import annotations

import pytest
import torch
from fakes import FakeRun
from loop_toys import codes, network, plain_network, run_toy, same, state
from refusals import refused
from torch import Tensor, nn


class Fine(nn.Module):
    """Divides by a difference that bf16 and fp16 round to zero."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        answer = self.inner(x)
        return answer * 1e-4 / (torch.full_like(answer, 1.0001) - 1.0)


class Infinite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) / 0.0


class SteepGradient(nn.Module):
    """Finite numbers with a slope that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = plain_network()

    def forward(self, x: Tensor) -> Tensor:
        answer = self.inner(x)
        return answer + (answer * 0.0).sqrt()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_steps_that_fail_in_half_precision_are_taken_in_fp32(tmp_path, precision):
    loop, run, _ = run_toy(tmp_path / "a", net=Fine(), precision=precision, steps=12, validate_every=12)
    expected, *_ = run_toy(tmp_path / "b", net=Fine(), precision="fp32", steps=12, validate_every=12)
    assert loop.progress.fp32_steps == 12 and loop.progress.non_finite == 0
    assert codes(run) == ["fp32-retry", "fp32-retry"], "the first and the tenth"
    assert "1 so far" in run.of("warning")[0]["message"] and "10 so far" in run.of("warning")[1]["message"]
    assert same(loop, expected), "same samples, same draws, running statistics of one pass"


def test_half_precision_without_trouble_stays(tmp_path):
    loop, run, _ = run_toy(tmp_path / "a", precision="bf16")
    other, *_ = run_toy(tmp_path / "b", precision="fp32")
    assert loop.progress.fp32_steps == 0 and codes(run) == [] and not same(loop, other)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_steps_that_fail_in_fp32_too_are_skipped_and_at_last_fatal(tmp_path, precision):
    net = Infinite()
    run, before = FakeRun(tmp_path / "job", tmp_path / "home"), {k: v.clone() for k, v in net.state_dict().items()}
    with refused("loss-nan", names=["step 4", "5 times"]):
        run_toy(tmp_path, net=net, precision=precision, run=run, steps=20)
    assert codes(run) == ["not-a-number"] * 5
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("clip", [1.0, 0.0])
def test_a_broken_gradient_spoils_no_weights_clipped_or_not(tmp_path, clip):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    with refused("loss-nan"):
        run_toy(tmp_path, net=SteepGradient(), run=run, clip_gradient=clip)
    assert run.of("warning")[0]["message"].startswith("the gradient is")


def test_a_gradient_that_overflows_when_scaled_is_the_scalers_business(tmp_path):
    loop, run, _ = run_toy(tmp_path, net=_loud(), precision="fp16")
    assert codes(run) == [] and loop.progress.fp32_steps == 0 and loop.progress.non_finite == 0
    scaler = loop.fabric.strategy.precision.scaler
    assert scaler.get_scale() < 2.0**16, "it has met an overflow and lowered its factor"
    assert all(tensor.isfinite().all() for tensor in state(loop).values())


def _loud() -> nn.Module:
    """Its loss is finite, its gradient times 65536 is not, in fp16."""
    net = plain_network()
    with torch.no_grad():
        net[2].weight.mul_(2000.0)
    return net
