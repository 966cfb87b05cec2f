"""Killed by a real signal at each call of the disk while checkpoints are written, a training ends bit-equal."""

from __future__ import annotations

import os
import signal

import pytest
from fakes import FakeRun
from loop_toys import run_toy, same
from scenarios import FaultyDisk, on

from medssl.core.files import Disk
from medssl.training.checkpoints import list_checkpoints, load_newest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class KillingDisk(FaultyDisk):
    """Ends its process at the n-th call; of a write, half is there."""

    def _fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class AfterDisk(Disk):
    """Ends its process once the n-th name was given, before older checkpoints are deleted."""

    def __init__(self, at: int) -> None:
        self.left = at

    def replace(self, source, target):
        super().replace(source, target)
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(folder, disk) -> bool:
    """Train in a child on this disk; whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            with on(disk):
                run_toy(folder)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def resumed(folder):
    run = FakeRun(folder / "job", folder / "home", resume=load_newest(folder / "job" / "checkpoints") is not None)
    return run_toy(folder, run=run)[0]


def test_a_kill_at_every_stage_of_every_checkpoint(tmp_path):
    whole, _, _ = run_toy(tmp_path / "whole")
    with on(FaultyDisk()) as counting:
        run_toy(tmp_path / "counted")
    stages = len(counting.calls)
    assert counting.calls.count("replace") >= 3 and stages < 40
    for at in (1, 2, 3, *range(stages // 2, stages // 2 + 3), stages):  # of the first, of a later one, the very last
        folder = tmp_path / str(at)
        assert killed(folder, KillingDisk("full", at)), at
        assert same(resumed(folder), whole), f"call {at}: {counting.calls[at - 1]}"
        assert not [*(folder / "job" / "checkpoints").glob(".step-*")]
        assert len(list_checkpoints(folder / "job" / "checkpoints")) <= 2


def test_a_kill_between_the_new_checkpoint_and_the_end_of_the_old_ones(tmp_path):
    whole, _, _ = run_toy(tmp_path / "whole")
    for at in (1, 3):
        folder = tmp_path / str(at)
        assert killed(folder, AfterDisk(at))
        assert same(resumed(folder), whole) and len(list_checkpoints(folder / "job" / "checkpoints")) <= 2
