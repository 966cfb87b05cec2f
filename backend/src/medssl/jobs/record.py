"""Writing a job folder: its status, and events that survive a torn last line. One process writes at a time."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medssl.core.files import append, read_json, to_text, write_json
from medssl.core.protocol import END_STATES, FINISHED, JobStatus, from_json, to_json
from medssl.jobs.liveness import alive_lock, hold, started_at

HEARTBEAT_S = 3.0
NOTED_S = 0.5  # progress reaches status.json after at most this long


class EventLog:
    """Appends events to `events.jsonl`, one JSON line each, numbered from 0."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
        self.count = self._repair()

    def _repair(self) -> int:
        """Cut off a torn last line and count the complete ones."""
        self._file.seek(0)
        count = size = 0
        for line in self._file:
            if line.endswith(b"\n"):
                count, size = count + 1, size + len(line)
        self._file.truncate(size)
        self._size = size
        return count

    def append(self, type: str, fields: dict[str, Any]) -> None:
        """Write one event.

        Raises:
            ResourceError: the disk is full; what was written of the line is taken back.
        """
        event = {"n": self.count, "time": self._clock(), "type": type, **fields}
        line = to_text(event).encode() + b"\n"
        append(self._file, line, self._size)
        self.count, self._size = self.count + 1, self._size + len(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StatusFile:
    """The job's `status.json` in the hands of its process: changed in memory, written beside the run."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = folder / "status.json", clock
        self._changing, self._writing, self._stop = threading.Lock(), threading.Lock(), threading.Event()
        self._written = self.now = from_json(JobStatus, read_json(self._path))

    def own(self) -> None:
        """Note this process as the job's; what an earlier one was writing when it was killed is removed."""
        for left in self._path.parent.glob(f".{self._path.name}.*"):
            left.unlink(missing_ok=True)
        pid = os.getpid()
        self.change(host=socket.gethostname(), pid=pid, pid_started=started_at(pid))

    def note(self, **values: Any) -> None:
        """Set fields; the heartbeat's thread writes them, so that a slow disk never holds up the run."""
        with self._changing:
            self.now = dataclasses.replace(self.now, **values)

    def change(self, **values: Any) -> None:
        """Set fields and write the file.

        Raises:
            ResourceError: the disk is full.
        """
        with self._writing:
            self.note(**values, heartbeat=self._clock())
            self._written = self.now
            write_json(self._path, to_json(self._written))

    def beat(self) -> None:
        """Keep the file fresh from a thread of its own until `rest`."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def rest(self) -> None:
        """End the heartbeat."""
        self._stop.set()

    def _beat(self) -> None:
        while not self._stop.wait(NOTED_S):
            if self.now is self._written and self._clock() - self.now.heartbeat < HEARTBEAT_S:
                continue
            try:
                self.change()
            except (
                OSError
            ) as error:  # a full disk, which the run itself meets; on Windows also a reader that holds the file
                print(error, file=sys.stderr)


def record_end(
    folder: Path, status: StatusFile, events: EventLog, state: str, error: dict[str, str] | None = None
) -> None:
    """Write how a job ended, by the process that holds its lock: the event of that name, then the state."""
    events.append(state, {"error": error} if error else {"step": status.now.step})
    write_end_state(folder, status, state, error)


def write_end_state(folder: Path, status: StatusFile, state: str, error: dict[str, str] | None = None) -> None:
    """Write the state alone, where the job has emitted the event itself, knowing more about it."""
    progress = 1.0 if state == FINISHED else status.now.progress
    status.change(state=state, message="", eta_s=None, ended=time.time(), progress=progress, error=error)
    (folder / "cancel").unlink(missing_ok=True)


def end_for(folder: Path, state: str, error: dict[str, str] | None = None, patience_s: float = 3.0) -> None:
    """Write the end of a job whose process could not: it was killed, or was never started. An end that stands there stays.

    Raises:
        filelock.Timeout: the job's process still lives.
        ResourceError: the file system has no locks.
    """
    with hold(alive_lock(folder), patience_s):
        status = StatusFile(folder)
        if status.now.state in END_STATES:
            return
        events = EventLog(folder / "events.jsonl")
        record_end(folder, status, events, state, error)
        events.close()
