"""The one real `medssl.core.run.Run`: a job at work in its folder. However it ends, the folder says so."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medssl.core.errors import CancelledError, translate
from medssl.core.files import read_json
from medssl.core.home import all_in_home
from medssl.core.protocol import CANCELLED, ESTIMATE, FAILED, FINISHED, RUNNING, JobSpec, spec_from_json
from medssl.core.registry import load
from medssl.jobs.liveness import alive_lock, hold
from medssl.jobs.pace import Pace
from medssl.jobs.record import EventLog, StatusFile, record_end, write_end_state

LOCK_PATIENCE_S = 10.0  # a reader holds the lock for a moment when it looks
OnProgress = Callable[[int, int], None]  # step, steps


class FolderRun:
    """A job at work. Further processes of a job (ranks above 0) have no `status`: they read the folder and never write.

    Attributes:
        folder: of the job.
        home: the home folder, with caches and locks.
        device: as torch names it; "" until there is one.
        resume: whether there is a checkpoint to go on from.
        spec: what the job was asked to do.
    """

    def __init__(
        self,
        folder: Path,
        home: Path,
        cancel_requested: Callable[[], bool],
        status: StatusFile | None = None,
        device: str = "",
        on_progress: OnProgress = lambda step, steps: None,
    ) -> None:
        self.folder, self.home, self.device = folder, home, device
        self.resume = any((folder / "checkpoints").glob("*"))
        self.cancel_requested = cancel_requested
        self._status, self._on_progress, self._last, self._pace = status, on_progress, "", Pace()
        self._events = EventLog(folder / "events.jsonl") if status else None

    @property
    def spec(self) -> JobSpec:
        """What the job was asked to do."""
        return spec_from_json(all_in_home(read_json(self.folder / "spec.json"), self.home))

    def emit(self, type: str, **fields: Any) -> None:
        """Append one event."""
        if self._events:
            self._events.append(type, fields)
            self._last = type

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        """Note how far the run is; how long it goes on is what the clock says, before it can what the run says itself."""
        if self._status and self._events:
            share = min(1.0, step / steps) if steps else 0.0
            left = self._pace.left(step, steps)
            self._status.note(
                step=step, steps=steps, progress=share, message=message, eta_s=eta_s if left is None else left
            )
            if left is not None and self._pace.is_due(step, steps):
                self._events.append(ESTIMATE, {"step": step, "steps": steps, "left_s": left, "message": message})
            self._on_progress(step, steps)

    def begin(self, device: str) -> None:
        """Note that the job runs now, on this device."""
        self.device = device
        if self._status:
            self._status.change(state=RUNNING, message="starting", device=device, started=time.time())

    def do(self, kinds: str) -> None:
        """Do what the job's kind does. Args: kinds: "module:TABLE" with the kinds of jobs."""
        spec = self.spec
        load(load(kinds)[spec.kind].run)(spec, self)

    def end(self, state: str, error: dict[str, str] | None = None) -> None:
        """Record how the run ended; the job may have emitted the event itself, knowing more about it."""
        assert self._status and self._events, "only the first process of a job records its end"
        self._status.rest()
        if self._last == state:
            write_end_state(self.folder, self._status, state, error)
        else:
            record_end(self.folder, self._status, self._events, state, error)

    def close(self) -> None:
        """Stop the heartbeat and close the events' file."""
        if self._status and self._events:
            self._status.rest()
            self._events.close()


@contextmanager
def end_recorded(run: FolderRun, preempted: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Record how the block ends, and pass on what ended it.

    Args:
        preempted: whether the system ended the process and no user asked for it: without an end state the job reads as
            interrupted, and can be resumed.
    """
    try:
        yield
        run.end(FINISHED)
    except CancelledError:
        if not preempted():
            run.end(CANCELLED)
        raise
    except Exception as error:  # the border of the job: whatever went wrong ends in the folder and in the log
        traceback.print_exc()
        run.end(FAILED, translate(error, "the run").as_dict())
        raise
    finally:
        run.close()


def run_here(
    folder: Path,
    home: Path,
    device: str,
    cancel_requested: Callable[[], bool],
    kinds: str,
    on_progress: OnProgress = lambda step, steps: None,
) -> None:
    """Do the job of `folder` in this process, which holds the device and has torch in memory already.

    What goes wrong in it ends in its folder, as it would in a process of its own.

    Raises:
        CancelledError: a cancel was asked for.
        filelock.Timeout: another process does the job.
        ResourceError: the file system has no locks.
    """
    with hold(alive_lock(folder), LOCK_PATIENCE_S):
        status = StatusFile(folder)
        status.own()
        run = FolderRun(folder, home, cancel_requested, status, device, on_progress)
        try:
            with end_recorded(run):
                run.begin(device)
                status.beat()
                run.do(kinds)
        except CancelledError:
            raise
        except Exception:  # it is in the folder
            return
