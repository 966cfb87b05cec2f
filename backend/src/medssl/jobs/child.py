"""The child of a job: `python -m medssl.jobs.child FOLDER [--kinds module:TABLE]`.

It holds the folder's lock for life, waits in the queue for its device, and only then imports torch by calling the
kind's function. However that ends, the folder says so.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import Timeout

from medssl.core.errors import CancelledError, translate
from medssl.core.files import read_json
from medssl.core.protocol import (  # fmt: skip
    CANCELLED,
    CANCELLED_EVENT,
    FAILED,
    FAILED_EVENT,
    FINISHED,
    FINISHED_EVENT,
    QUEUED,
    RUNNING,
    JobSpec,
    spec_from_json,
)
from medssl.core.registry import load
from medssl.jobs.devices import claims, locked
from medssl.jobs.follower import wait_for_leader, watch_leader
from medssl.jobs.liveness import alive_lock
from medssl.jobs.record import EventLog, StatusFile

KINDS = "medssl.jobs:KINDS"
LOCK_PATIENCE_S = 10.0  # a reader holds the lock for a moment when it looks
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


class Interrupt:
    """Has someone asked to stop: the user, by the folder's `cancel` file, or the system, by SIGTERM?"""

    def __init__(self, folder: Path) -> None:
        self._file, self._signalled = folder / "cancel", False
        signal.signal(signal.SIGTERM, self._on_signal)

    def __call__(self) -> bool:
        return self._signalled or self._file.exists()

    @property
    def preempted(self) -> bool:
        """The system ends the process, and no user asked for it: the job is to be resumed."""
        return self._signalled and not self._file.exists()

    def _on_signal(self, *_: object) -> None:
        self._signalled = True


class FolderRun:
    """The `training.run.Run` of the first process: writes the job folder."""

    def __init__(self, folder: Path, status: StatusFile, events: EventLog, interrupt: Interrupt) -> None:
        self.folder, self.home, self.device = folder, folder.parent.parent, ""
        self.resume = any((folder / "checkpoints").glob("*"))
        self.cancel_requested = interrupt
        self._status, self._events, self.last = status, events, ""

    def emit(self, type: str, **fields: Any) -> None:
        """Append one event."""
        self._events.append(type, fields)
        self.last = type

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        """Say how far the run is."""
        share = min(1.0, step / steps) if steps else 0.0
        self._status.note(step=step, steps=steps, progress=share, message=message, eta_s=eta_s)


class SilentRun:
    """The `training.run.Run` of every further process of the same job: reads, never writes."""

    def __init__(self, folder: Path, device: str, interrupt: Interrupt) -> None:
        self.folder, self.home, self.device = folder, folder.parent.parent, device
        self.resume = any((folder / "checkpoints").glob("*"))
        self.cancel_requested = interrupt

    def emit(self, type: str, **fields: Any) -> None:
        """Only the first process writes events."""

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        """Only the first process writes the status."""


def lead(folder: Path, kinds: str = KINDS) -> int:
    """Run the job of `folder` as its first process; returns the exit status."""
    try:
        lock = alive_lock(folder).acquire(timeout=LOCK_PATIENCE_S)
    except Timeout:
        print(f"{folder.name} already has a running process", file=sys.stderr)
        return 3
    with lock, ExitStack() as device:  # the device is given back when everything of this job has left it
        status = StatusFile(folder)
        if status.now.state in (FINISHED, CANCELLED):  # ended by others before this process came up
            return 0
        status.own()
        status.change(state=QUEUED, message="waiting for the device", error=None, ended=0.0)
        status.beat()
        run = FolderRun(folder, status, EventLog(folder / "events.jsonl"), Interrupt(folder))
        return _to_the_end(run, status, kinds, device)


def follow(folder: Path, kinds: str = KINDS) -> int:
    """Take part in a job that another process leads (torchrun, Fabric, SLURM); returns the exit status."""
    interrupt = Interrupt(folder)
    status = wait_for_leader(folder)
    if status is None:
        return 0
    watch_leader(folder)
    spec = spec_from_json(read_json(folder / "spec.json"))
    try:
        load(load(kinds)[spec.kind])(spec, SilentRun(folder, status.device, interrupt))
    except CancelledError:
        return 0
    return 0


def _to_the_end(run: FolderRun, status: StatusFile, kinds: str, device: ExitStack) -> int:
    try:
        spec = spec_from_json(read_json(run.folder / "spec.json"))
        wishes = claims(spec.device, gpu_count(spec))
        claim = device.enter_context(locked(run.home, wishes, run.cancel_requested))
        if run.cancel_requested():
            raise CancelledError()
        run.device = claim.device
        status.change(state=RUNNING, message="starting", device=claim.device, started=time.time())
        load(load(kinds)[spec.kind])(spec, run)
        _end(run, status, FINISHED, FINISHED_EVENT, step=status.now.step, progress=1.0)
    except CancelledError:
        if run.cancel_requested.preempted:  # by SLURM, say: without an end state it reads as interrupted
            status.rest()
            print("ended by SIGTERM; resume to go on from the last checkpoint", file=sys.stderr)
            return 128 + signal.SIGTERM
        _end(run, status, CANCELLED, CANCELLED_EVENT, step=status.now.step)
    except Exception as error:  # the process border: whatever went wrong ends in the folder and in the log
        traceback.print_exc()
        told = translate(error, "the run").as_dict()
        _end(run, status, FAILED, FAILED_EVENT, error=told)
        _end_children()
        return 1
    return 0


def _end(run: FolderRun, status: StatusFile, state: str, event: str, **values: Any) -> None:
    """Record the end; the function may have emitted the event itself, knowing more about it."""
    status.rest()
    if run.last != event:
        run.emit(event, **{name: value for name, value in values.items() if name != "progress"})
    status.change(state=state, message="", eta_s=None, ended=time.time(), **values)
    (run.folder / "cancel").unlink(missing_ok=True)


def _end_children() -> None:
    """End further processes on this machine, which would wait in a collective for this one."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


def gpu_count(spec: JobSpec) -> int:
    """How many devices the job trains on, on one machine."""
    return int(spec.config.get("training", {}).get("devices", 1))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run the job."""
    parser = argparse.ArgumentParser(prog="medssl.jobs.child")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", default=KINDS, help="module:TABLE with the functions of the job kinds")
    options = parser.parse_args(arguments)
    follower = any(int(os.environ.get(rank) or 0) > 0 for rank in RANKS)
    return (follow if follower else lead)(options.folder.resolve(), options.kinds)


if __name__ == "__main__":
    sys.exit(main())
