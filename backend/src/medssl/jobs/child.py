"""The process of a job: `python -m medssl.jobs.child FOLDER [--kinds module:TABLE] [--parent FOLDER --device DEVICE]`.

It holds the folder's lock for life, waits in the queue for its device, and only then imports torch by calling the
kind's function. However that ends, the folder says so. A job that another job starts (a run of a comparison) computes on
a device that its parent holds, and does not outlive it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import Timeout

from medssl.core.allocator import keep_memory
from medssl.core.errors import CancelledError, ResourceError
from medssl.core.protocol import CANCELLED, FINISHED, QUEUED, JobSpec
from medssl.jobs.devices import claims, locked
from medssl.jobs.folder_run import LOCK_PATIENCE_S, FolderRun, end_recorded
from medssl.jobs.liveness import alive_lock, hold
from medssl.jobs.ranks import end_with_parent, wait_for_leader, watch_leader
from medssl.jobs.record import StatusFile

KINDS = "medssl.jobs:KINDS"
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


@dataclass(frozen=True)
class Parent:
    """The job that starts another one: its folder, and the device that it holds for it."""

    folder: Path
    device: str


class Interrupt:
    """Has someone asked to stop: the user, by the folder's `cancel` file, or the system, by SIGTERM?"""

    def __init__(self, folder: Path) -> None:
        self._file, self._signalled = folder / "cancel", False
        signal.signal(signal.SIGTERM, self._on_signal)

    def __call__(self) -> bool:
        return self._signalled or self._file.exists()

    def preempted(self) -> bool:
        """The system ends the process, and no user asked for it: the job is to be resumed."""
        return self._signalled and not self._file.exists()

    def _on_signal(self, *_: object) -> None:
        self._signalled = True


def lead(folder: Path, kinds: str = KINDS, parent: Parent | None = None) -> int:
    """Run the job of `folder` as its first process; returns the exit status."""
    try:
        lock = hold(alive_lock(folder), LOCK_PATIENCE_S)
    except Timeout:
        print(f"{folder.name} already has a running process", file=sys.stderr)
        return 3
    except ResourceError as error:  # no locks: nothing keeps a second process from writing here
        print(error, file=sys.stderr)
        return 1
    with lock, ExitStack() as device:  # the device is given back when everything of this job has left it
        status = StatusFile(folder)
        if status.now.state in (FINISHED, CANCELLED):  # ended by others before this process came up
            return 0
        if parent:
            end_with_parent()
        status.own()
        status.change(state=QUEUED, message="waiting for the device", error=None, ended=0.0)
        status.beat()
        interrupt = Interrupt(folder)
        run = FolderRun(folder, home_of(parent.folder if parent else folder), interrupt, status)
        try:
            with end_recorded(run, interrupt.preempted):
                run.begin(parent.device if parent else _device(run, device))
                run.do(kinds)
        except CancelledError:
            if status.now.state == CANCELLED:
                return 0
            print("ended by SIGTERM; resume to go on from the last checkpoint", file=sys.stderr)
            return 128 + signal.SIGTERM
        except Exception:  # it is in the folder and in the log
            _end_children()
            return 1
    return 0


def take_part(folder: Path, kinds: str = KINDS) -> int:
    """Take part in a job that another process leads (torchrun, Fabric, SLURM); returns the exit status."""
    interrupt = Interrupt(folder)
    status = wait_for_leader(folder)
    if status is None:
        return 0
    watch_leader(folder)
    with suppress(CancelledError):
        FolderRun(folder, home_of(folder), interrupt, device=status.device).do(kinds)
    return 0


def home_of(folder: Path) -> Path:
    """The home of a job that no other job started: `<home>/jobs/<id>`."""
    return folder.parent.parent


def _device(run: FolderRun, held: ExitStack) -> str:
    """Wait in the queue for a device that the job's specification wishes for; it is held as long as `held`."""
    spec = run.spec
    claim = held.enter_context(locked(run.home, claims(spec.device, gpu_count(spec)), run.cancel_requested))
    if run.cancel_requested():
        raise CancelledError()
    return claim.device


def _end_children() -> None:
    """End further processes on this machine, which would wait in a collective for this one."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


def gpu_count(spec: JobSpec) -> int:
    """How many devices the job trains on, on one machine."""
    return int(spec.config.get("training", {}).get("devices", 1))


def is_further_rank() -> bool:
    """Whether another process leads this job."""
    return any(int(os.environ.get(rank) or 0) > 0 for rank in RANKS)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run the job."""
    parser = argparse.ArgumentParser(prog="medssl.jobs.child")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", default=KINDS, help="module:TABLE with the kinds of jobs")
    parser.add_argument("--parent", type=Path, help="folder of the job that started this one")
    parser.add_argument("--device", default="", help="the device that the parent holds for this job")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    keep_memory()
    if is_further_rank():
        return take_part(folder, options.kinds)
    parent = Parent(options.parent.resolve(), options.device) if options.parent else None
    return lead(folder, options.kinds, parent)


if __name__ == "__main__":
    ended = main()
    if (
        is_further_rank()
    ):  # at the interpreter's own end waiting threads of torch abort it now and then, and the leader with it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended)
    sys.exit(ended)
