"""A cancel at a validation, which may take longer than a cancelled process has to stop: nothing is lost, nothing is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FakeRun
from loop_toys import Rows, run_toy, same
from refusals import refused
from torch import nn

from medssl.core.errors import CancelledError
from medssl.training import loop as training_loop
from medssl.training.checkpoints import Progress


def cancelled(folder: Path, at: int, **settings: Any) -> FakeRun:
    """A training that is stopped when it asks for the `at`-th time."""
    run = FakeRun(folder / "job", folder / "home", cancel_at=at)
    with pytest.raises(CancelledError):
        run_toy(folder, run=run, validate_every=3, **settings)
    return run


def check_resumed(folder: Path, before: FakeRun, **settings: Any) -> None:
    """Nothing was validated before the stop, and what is resumed is what it would have been without it."""
    whole, undisturbed, _ = run_toy(folder / "undisturbed", validate_every=3, **settings)
    again = FakeRun(before.folder, before.home, resume=True)
    resumed, *_ = run_toy(folder, run=again, validate_every=3, **settings)
    assert before.of("metric") == [] and before.of("checkpoint")[-1]["step"] == 3
    assert again.of("resumed")[0]["step"] == 3
    assert [event["step"] for event in again.of("metric")] == [3, 6]
    assert again.of("metric") == undisturbed.of("metric") and same(whole, resumed)
    assert resumed.progress == whole.progress
    losses = "results/losses.csv"
    assert (again.folder / losses).read_text() == (undisturbed.folder / losses).read_text()


@pytest.fixture
def always_looking(monkeypatch) -> None:
    monkeypatch.setattr(training_loop, "LOOK_S", 0.0)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_it_comes_before_the_validation(tmp_path: Path, schedule: str):
    settings = {"schedule": schedule, "decay_every": 3, "ema": 0.9}
    check_resumed(tmp_path, cancelled(tmp_path, 3, **settings), **settings)


def test_it_comes_between_batches(tmp_path: Path, always_looking):
    settings = {"validation_samples": 16}
    check_resumed(tmp_path, cancelled(tmp_path, 5, **settings), **settings)  # at the second batch


def test_it_comes_while_a_method_measures_and_has_changed_the_norms(tmp_path: Path, always_looking):
    def measure(net: nn.Module) -> dict[str, float]:
        net[1].running_mean.add_(1.0)
        rows = torch.stack([Rows()[n]["raw"] for n in range(4)])
        return {"validation_loss": float(net(rows).square().mean() + net(rows).abs().mean())}

    settings = {"validation": measure}
    before = cancelled(tmp_path, 5, **settings)  # the second time that the network is asked
    check_resumed(tmp_path, before, **settings)


def test_the_last_validation_is_made_up_for(tmp_path: Path):
    settings = {"steps": 3}
    run = cancelled(tmp_path, 3, **settings)
    again = FakeRun(run.folder, run.home, resume=True)
    loop, *_ = run_toy(tmp_path, run=again, validate_every=3, **settings)
    assert [event["step"] for event in again.of("metric")] == [3] and not again.of("loss")
    assert loop.model_file.is_file() and not loop.progress.unvalidated
    once_more = FakeRun(run.folder, run.home, resume=True)
    run_toy(tmp_path, run=once_more, validate_every=3, **settings)
    assert not once_more.of("metric"), "the checkpoint knows"


def test_a_validation_without_enough_memory_is_left_out_by_what_is_resumed(tmp_path: Path):
    def exhausted(_net: nn.Module) -> dict[str, float]:
        raise MemoryError

    run = FakeRun(tmp_path / "job", tmp_path / "home")
    with refused("out-of-memory", names="validation images"):
        run_toy(tmp_path, run=run, validation=exhausted, validate_every=3)
    again = FakeRun(run.folder, run.home, resume=True)
    run_toy(tmp_path, run=again, validate_every=3)
    assert [event["step"] for event in again.of("metric")] == [6]


def test_checkpoints_of_earlier_versions_were_validated():
    assert not Progress(step=3).unvalidated
