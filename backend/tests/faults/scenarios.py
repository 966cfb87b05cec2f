"""Writes of the house under a disk that fails at its n-th call: what each raises, and what stands there afterwards.

`test_disk_faults.py` holds it; `backend/checks/attacks/faults.py` writes it down as docs/faults.md.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from medssl.core import files
from medssl.core.errors import MedSSLError
from medssl.core.protocol import RUNNING, DataSpec, JobSpec
from medssl.core.tables import read_table, write_table
from medssl.jobs.record import EventLog, StatusFile
from medssl.jobs.store import JobStore

FAULTS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "vanished": errno.EIO, "slow": 0}
SLOW_S = 0.01


class FaultyDisk(files.Disk):
    """A disk that fails from its n-th call on; of a write that fails, half is there.

    Attributes:
        calls: names of all calls so far.
    """

    def __init__(self, fault: str = "", at: int = 0) -> None:
        self.fault, self.at, self.calls = fault, at, list[str]()

    def write(self, file: BinaryIO, data: bytes) -> int:
        if self._fails("write"):
            super().write(file, data[: len(data) // 2])
            self._fail()
        return super().write(file, data)

    def sync(self, file: BinaryIO) -> None:
        if self._fails("sync"):
            self._fail()
        super().sync(file)

    def replace(self, source: Path, target: Path) -> None:
        if self._fails("replace"):
            self._fail()
        super().replace(source, target)

    def _fails(self, call: str) -> bool:
        self.calls.append(call)
        if self.fault == "slow" and len(self.calls) == self.at:
            time.sleep(SLOW_S)
        return self.fault != "slow" and 0 < self.at <= len(self.calls)

    def _fail(self) -> None:
        raise OSError(FAULTS[self.fault], os.strerror(FAULTS[self.fault]))


@contextmanager
def on(disk: files.Disk) -> Iterator[files.Disk]:
    """The house writes to this disk."""
    real, files.DISK = files.DISK, disk
    try:
        yield disk
    finally:
        files.DISK = real


@dataclass(frozen=True)
class Scenario:
    """A write, and what stands there before and after it.

    Attributes:
        prepare: makes what was there before.
        act: the write.
        look: what stands there, as plain values; it raises where a reader would.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    look: Callable[[Path], Any]


SPEC = JobSpec("count", "genesis", {}, DataSpec(path="/data"), name="a")


def _job(folder: Path) -> Path:
    return next(path for path in (folder / "jobs").iterdir() if not path.name.startswith("."))


def _events(folder: Path) -> list[int]:
    with (_job(folder) / "events.jsonl").open("rb") as file:
        return [json.loads(line)["n"] for line in file]


def _append(folder: Path) -> None:
    log = EventLog(_job(folder) / "events.jsonl")
    try:
        log.append("loss", {"step": 1, "loss": 0.5})
    finally:
        log.close()


def _make_with_event(folder: Path) -> None:
    JobStore(folder).create(SPEC)
    _append(folder)


def _network(value: float) -> Any:
    import torch

    network = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(network.weight, value)
    return network, torch.optim.AdamW(network.parameters())


def _checkpoint(step: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        from medssl.training.checkpoints import Progress, save_checkpoint

        (folder / "checkpoints").mkdir(exist_ok=True)
        save_checkpoint(folder / "checkpoints", *_network(step), Progress(step=step))

    return write


def _newest(folder: Path) -> int:
    from medssl.training.checkpoints import load_newest

    found = load_newest(folder / "checkpoints")
    return found[1]["progress"]["step"] if found else 0


SCENARIOS = {
    "a job is made": Scenario(lambda folder: None, lambda folder: JobStore(folder).create(SPEC) and None,
                              lambda folder: [view.status.state for view in JobStore(folder).list()]),
    "its status changes": Scenario(lambda folder: JobStore(folder).create(SPEC) and None,
                                   lambda folder: StatusFile(_job(folder)).change(state=RUNNING),
                                   lambda folder: json.loads((_job(folder) / "status.json").read_bytes())["state"]),
    "an event is appended": Scenario(_make_with_event, _append, _events),
    "a checkpoint is written": Scenario(_checkpoint(1), _checkpoint(2), _newest),
    "a table is written": Scenario(lambda folder: write_table([{"a": 1}], folder / "a.csv"),
                                   lambda folder: write_table([{"a": 2}], folder / "a.csv"),
                                   lambda folder: read_table(folder / "a.csv").rows),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What came of one fault."""

    scenario: str
    fault: str
    call: str  # "2: sync"
    error: str  # code; "" where the write went through
    stands: str  # "before", "after", or what else
    left: tuple[str, ...]  # half-written files


def play(name: str, fault: str, at: int, folder: Path) -> Row | None:
    """One fault at one call; None where there is no such call."""
    scenario = SCENARIOS[name]
    scenario.prepare(folder)
    before = scenario.look(folder)
    error = ""
    with on(FaultyDisk(fault, at)) as disk:
        try:
            scenario.act(folder)
        except MedSSLError as caught:
            error = caught.code
    if len(disk.calls) < at:
        return None
    found = scenario.look(folder)
    left = tuple(sorted(path.name for path in folder.rglob(".*")))
    stands = "before" if found == before else f"{found}" if error else "after"
    return Row(name, fault, f"{at}: {disk.calls[at - 1]}", error, stands, left)
