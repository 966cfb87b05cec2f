"""A driver that runs a scenario's steps from the application's event loop, and watches over that loop meanwhile."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from stage import app
from stage.watchdog import Watchdog

DRIVE_MS = 30
SETTLE_S = 0.4  # after a step, so that what it has left for the event loop counts as its own


class Skipped(Exception):  # it is no error
    """A step cannot run here, and why."""


class Until:
    """A wait for a condition, which a step yields; a number of seconds is the other thing it can yield."""

    def __init__(self, condition: Callable[[], Any], what: str, seconds: float) -> None:
        self.condition, self.what, self.end = condition, what, time.monotonic() + seconds


class Driver:
    """Runs steps one after another, each a function of the stage that may be a generator; a failed one stops nothing.

    The record is written before and after each step: where the application crashes, it says in which.

    Args:
        stage: what the steps get; see `Stage`.
        steps: the functions; their first doc line is their title.
        path: of the record, a JSON file.
        check: called after each step; returns what is wrong with scene and log now.
        onEnd: called after the last.
    """

    def __init__(self, stage, steps, path: Path, check: Callable[[], list[str]], onEnd: Callable[[], None]) -> None:
        self._stage, self._steps, self._path = stage, list(steps), path
        self._check, self._onEnd = check, onEnd
        self.records: list[dict[str, Any]] = []
        self._generator, self._wait, self._inside, self._settled, self._begun = None, None, False, 0.0, 0.0
        self.watchdog = stage.watchdog = Watchdog(self._closeDialog, samples=app.isStandIn())
        self._timer = qt.QTimer()
        self._timer.setInterval(DRIVE_MS)
        self._timer.connect("timeout()", self._advance)

    def start(self) -> None:
        """Begin with the first step as soon as the event loop runs."""
        self._timer.start()

    def _advance(self) -> None:
        if self._inside:  # a step has an event loop of its own, as a console verb that waits
            return
        self._inside = True
        try:
            if self._generator is None and not self._settled:
                self._next()
            elif self._settled:
                self._end()
            elif self._ready():
                self._resume(lambda: next(self._generator))
        finally:
            self._inside = False

    def _next(self) -> None:
        if not self._steps:
            self._timer.stop()
            self.watchdog.stop()
            self._onEnd()
            return
        step = self._steps.pop(0)
        self._stage.begin()
        record = {"step": step.__name__, "title": (step.__doc__ or step.__name__).strip().splitlines()[0]}
        self.records.append(record | {"state": "begun", "faults": []})
        self._write()
        print(f"=== {step.__name__}", flush=True)
        self._begun = time.monotonic()
        self.watchdog.begin()
        self._resume(lambda: self._first(step))

    def _first(self, step):
        self._generator = step(self._stage)
        if self._generator is None:
            raise StopIteration
        return next(self._generator)

    def _ready(self) -> bool:
        """Whether the step can go on; a wait that takes too long, or cannot be evaluated, ends it."""
        wait = self._wait
        try:
            if wait.condition():
                return True
            if time.monotonic() > wait.end:
                raise TimeoutError(f"waited too long for {wait.what}")
        except Exception as error:  # the border of the event loop
            self._resume(lambda error=error: self._generator.throw(error))
        return False

    def _resume(self, go: Callable) -> None:
        self._wait = None
        try:
            wait = go()
        except StopIteration:
            self._settle("passed")
        except Skipped as reason:
            self._settle("skipped", str(reason))
        except Exception as error:  # the border of the event loop: a scenario says what went wrong in its report
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._settle(
                "failed", f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
            )
        else:
            if not isinstance(wait, Until):
                end = time.monotonic() + wait
                wait = Until(lambda: time.monotonic() >= end, "a pause", wait + 60)
            self._wait = wait

    def _settle(self, state: str, fault: str = "") -> None:
        self._generator, self._settled = None, time.monotonic() + SETTLE_S
        record = self.records[-1]
        record["state"], record["seconds"] = state, round(time.monotonic() - self._begun, 1)
        if fault:
            record["reason" if state == "skipped" else "faults"] = fault if state == "skipped" else [fault]

    def _end(self) -> None:
        if time.monotonic() < self._settled:
            return
        self.watchdog.look()
        self._settled, record = 0.0, self.records[-1]
        record |= {"blockWall": round(self.watchdog.wall, 3), "blockCpu": round(self.watchdog.cpu, 3)}
        record["blockWhere"] = self.watchdog.where
        record |= {"notes": self._stage.notes, "pictures": self._stage.pictures}
        record["faults"] += self._stage.dialogs + self._check()
        if record["faults"]:
            record["state"] = "failed"
        print(f"=== {record['state']} {'; '.join(record['faults'])}", flush=True)
        self._write()

    def _write(self) -> None:
        self._path.write_text(json.dumps(self.records, indent=1), encoding="utf-8")

    def _closeDialog(self) -> None:
        """Nobody is there to answer a dialog: it would stop the scenario for good."""
        dialog = qt.QApplication.activeModalWidget()
        if dialog is not None and self._inside and not dialog.inherits("QProgressDialog"):
            text = dialog.text if hasattr(dialog, "text") else dialog.windowTitle
            self._stage.dialogs.append(f"a dialog stood in the way: {text}")
            dialog.close()
