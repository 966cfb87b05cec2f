"""The parent's side of the warm inspection worker: one child, one inspection after another, ended when idle."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medssl.core.errors import ResourceError, translate
from medssl.core.home import NEUTRAL_FOLDER
from medssl.core.protocol import END_STATES, ResultStatus
from medssl.core.registry import entry, load
from medssl.handlers import Inspection
from medssl.server.results import ResultStore

INSPECTIONS = "medssl.handlers:INSPECTIONS"
IDLE_S = 600.0
SILENCE_S = 600.0  # longer than the first import of torch from a slow disk, or any step between two reports of progress
GRACE_S = 10.0  # from a cancel request to the end of the child
POLL_S, QUICK_POLL_S, QUICK_S = 0.03, 0.003, 2.0  # what answers within QUICK_S is waited for more closely
LEAVE_S = 5.0  # for the child to end by itself once its input is closed


class InspectionWorker:
    """Queues inspections and hands them to `python -m medssl.handlers.worker.process`, started on demand.

    An inspection that writes nothing to its status for `silence_s` seconds, neither progress nor an end, is ended by force.

    Attributes:
        inspections: the table that `module:TABLE` names.
        results: the store that both sides write.
    """

    def __init__(
        self,
        home: Path,
        inspections: str = INSPECTIONS,
        idle_s: float = IDLE_S,
        grace_s: float = GRACE_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.inspections: dict[str, Inspection] = load(inspections)
        quick = [name for name, inspection in self.inspections.items() if inspection.quick]
        self.home = Path(home).absolute()
        self.results = ResultStore(self.home, quick)
        self._table, self._idle_s, self._grace_s, self._silence_s = inspections, idle_s, grace_s, silence_s
        self._waiting: queue.Queue[str] = queue.Queue()
        self._unfinished: dict[str, list[Callable[[], None]]] = {}  # result -> whom its end concerns
        self._at_work = ""  # the result that the child is asked for
        self._child: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._closing = threading.Event()

    def submit(self, kind: str, request: dict[str, Any]) -> ResultStatus:
        """Queue an inspection.

        Raises:
            NotFoundError: an unknown kind.
            ResourceError: the disk is full.
        """
        entry(self.inspections, kind, "inspection")
        status = self.results.create(kind, request)
        with self._guard:
            self._unfinished[status.id] = []
            self._waiting.put(status.id)
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="inspections", daemon=True)
                thread.start()  # may be refused; then the next inspection tries again
                self._thread = thread
        return status

    def cancel(self, result: str) -> ResultStatus:
        """Ask an inspection to stop; one that waits for others has ended at once.

        Raises:
            NotFoundError: no such result.
            StateError: it has already ended.
            ResourceError: the disk is full.
        """
        self.results.request_cancel(result)
        concerned: list[Callable[[], None]] = []
        with self._guard:
            if result in self._unfinished and result != self._at_work:
                self.results.end(result, None)
                concerned = self._unfinished.pop(result)
        for call in concerned:
            call()
        return self.results.status(result)

    def when_ended(self, result: str, call: Callable[[], None]) -> None:
        """Have `call` called from another thread once the inspection has ended; at once where it has."""
        with self._guard:
            if result in self._unfinished:
                self._unfinished[result].append(call)
                return
        call()

    def pid(self) -> int | None:
        """The child's process id while it is warm."""
        child = self._child
        return child.pid if child and child.poll() is None else None

    def close(self) -> None:
        """End the child; what it was doing is lost."""
        self._closing.set()
        self._end_child(patience_s=0.5)

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                result = self._waiting.get(timeout=self._idle_s)
            except queue.Empty:
                with self._guard:
                    if not self._waiting.empty():
                        continue
                    self._thread = None
                self._end_child(LEAVE_S)
                return
            with self._guard:
                if result not in self._unfinished:  # cancelled while it waited
                    continue
                self._at_work = result
            try:
                self._one(result)
            except Exception as error:  # the border of the queue: no disk, and no lack of processes, may end it
                traceback.print_exc()
                self._fail(result, error)
            with self._guard:
                self._at_work = ""
                concerned = self._unfinished.pop(result, [])
            for call in concerned:
                call()

    def _fail(self, result: str, error: Exception) -> None:
        try:
            self.results.end(result, translate(error, "the inspection"))
        except Exception:  # the disk is full, or the result's folder is gone: it is noted in memory, if it can be
            traceback.print_exc()

    def _one(self, result: str) -> None:
        if self.results.cancel_requested(result):
            self.results.end(result, None)
            return
        child = self._running_child()
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps({"folder": str(self.results.folder(result))}).encode() + b"\n")
            child.stdin.flush()
        except OSError:
            pass  # it died meanwhile: the wait sees that
        self._await(result, child)

    def _await(self, result: str, child: subprocess.Popen[bytes]) -> None:
        asked = None
        begun = heard = time.monotonic()
        last = self.results.written(result)
        while self.results.status(result).state not in END_STATES:
            if child.poll() is not None:
                self.results.end(result, self._crash(child.returncode))
                return
            if asked is None and self.results.cancel_requested(result):
                asked = time.monotonic()
            if asked is not None and time.monotonic() - asked > self._grace_s:
                self._end_child(patience_s=0.0)
                self.results.end(result, None)
                return
            if (written := self.results.written(result)) != last:
                heard, last = time.monotonic(), written
            elif time.monotonic() - heard > self._silence_s:
                self._end_child(patience_s=0.0)
                self.results.end(result, self._silent(result))
                return
            time.sleep(QUICK_POLL_S if time.monotonic() - begun < QUICK_S else POLL_S)

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self.pid() is None:
            command = [
                sys.executable,
                "-m",
                "medssl.handlers.worker.process",
                str(self.home),
                "--inspections",
                self._table,
            ]
            environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
            with self._log.open("wb") as log:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=NEUTRAL_FOLDER,
                    env=environment,
                )
        assert self._child is not None
        return self._child

    def _end_child(self, patience_s: float) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        try:
            child.stdin.close()  # its signal to leave
        except OSError:
            pass
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _crash(self, status: int) -> ResourceError:
        try:
            lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        except OSError:  # somebody has cleared it away
            lines = []
        last = f", last words: {lines[-1][:200]}" if lines else ""
        rule = f"ended unexpectedly (exit status {status}{last})"
        return ResourceError(
            "inspection worker", rule, f"Memory may have run out; {self._log} has the details. Ask again"
        )

    def _silent(self, result: str) -> ResourceError:
        return ResourceError(
            f"inspection {result}",
            f"reported nothing for {self._silence_s:g} s and was ended",
            "Check its images and its model; where it needs longer, start the server with a larger --inspection-silence",
            code="inspection-silent",
        )

    @property
    def _log(self) -> Path:
        return self.home / "worker.log"
