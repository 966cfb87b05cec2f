"""The job kind "batch": ordinary jobs one after another, on one device or several, whatever becomes of each."""

from __future__ import annotations

import dataclasses
import threading
import time
import traceback

from medssl.core.errors import CancelledError, ConfigError, translate
from medssl.core.protocol import FINISHED, RESUMABLE_STATES, RUNNING, JobSpec, to_json
from medssl.core.run import Run
from medssl.jobs import process
from medssl.jobs.check import checked
from medssl.jobs.child import KINDS
from medssl.jobs.store import JobStore
from medssl.studies.batch.check import NO_DEVICE, read_batch
from medssl.studies.batch.config import EVALUATE, Batch, Item
from medssl.studies.batch.data_digest import data_digest, note_digest, noted_digest
from medssl.studies.batch.evaluate_table import evaluate_table
from medssl.studies.batch.progress_table import FAILED, SKIPPED, WAITING, Line, headline_of_job, write_lines

LOOK_S = 0.5


def batch(spec: JobSpec, run: Run, kinds: str = KINDS) -> None:
    """Run every item as a job of its own; leaves `results/batch.csv` and `batch.md`.

    A job of an earlier batch with the same specification and data is taken over: finished it counts, interrupted it goes on.

    Raises:
        CancelledError: a cancel was asked for; the items at work were asked to stop too.
        ConfigError: the batch's job holds a device.
    """
    if run.device != NO_DEVICE:
        raise ConfigError(
            f"device {run.device!r}",
            "would be blocked for the jobs of the batch",
            f"Submit it with device {NO_DEVICE!r}",
            code="device-blocked",
        )
    Schedule(read_batch(spec.config), run, JobStore(run.home), kinds).do()


class Schedule:
    """The items of a batch, what has become of each, and whose turn it is."""

    def __init__(self, batch: Batch, run: Run, store: JobStore, kinds: str) -> None:
        self.batch, self.run, self.store, self.kinds = batch, run, store, kinds
        self.lines = {item.name: Line(item.name, item.kind, item.method) for item in batch.items}
        self._turn, self._starting = threading.Condition(), threading.Lock()
        self._stop = False

    def do(self) -> None:
        """All items.

        Raises:
            CancelledError: a cancel was asked for.
        """
        self.run.emit("batch", steps=len(self.lines), items=list(self.lines), devices=list(self.batch.devices))
        self._write()
        workers = [threading.Thread(target=self._work, args=(device,), name=device) for device in self.batch.devices]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            if self.run.cancel_requested():
                self._stop = True
            with self._turn:
                self._turn.notify_all()
            time.sleep(LOOK_S)
        if self._stop:
            raise CancelledError()
        states = [line.state for line in self.lines.values()]
        self.run.emit("finished", step=len(states), finished=states.count(FINISHED), table="results/batch.md")

    def _work(self, device: str) -> None:
        while item := self._next():
            line = self.lines[item.name]
            try:
                found = {name: self._left_by(name, item) for name in item.needs}
                self._evaluate(item, found, line) if item.kind == EVALUATE else self._run_job(item, found, device, line)
            except Exception as error:  # the border between items: one that fails says why, and the others go on
                if not isinstance(error, CancelledError):
                    traceback.print_exc()
                line.state, line.error = FAILED, str(translate(error, "the item"))
            self._ended(line)

    def _next(self) -> Item | None:
        """The first item that waits and whose needs are met; None when nothing is left to begin."""
        with self._turn:
            while not self._stop:
                self._skip()
                waiting = [item for item in self.batch.items if self.lines[item.name].state == WAITING]
                if not waiting:
                    return None
                for item in waiting:
                    if all(self.lines[name].state == FINISHED for name in item.needs):
                        self.lines[item.name].state = RUNNING
                        return item
                self._turn.wait(LOOK_S)
        return None

    def _skip(self) -> None:
        """What needs an item that failed cannot be done."""
        for item in self.batch.items:
            line = self.lines[item.name]
            lost = [name for name in item.needs if self.lines[name].state in (FAILED, SKIPPED)]
            if line.state == WAITING and lost:
                line.state, line.error = (
                    SKIPPED,
                    f"needs {lost[0]}, which {'failed' if self.lines[lost[0]].state == FAILED else 'was skipped'}",
                )
                self._report(line)

    def _left_by(self, name: str, item: Item) -> str:
        """What an earlier item left: its job for an evaluation, else its model."""
        job = self.lines[name].job
        if item.kind == EVALUATE:
            return job
        return str(self.store.folder(job) / "results" / "model.safetensors")

    def _run_job(self, item: Item, found: dict[str, str], device: str, line: Line) -> None:
        spec = item.spec(found, device)
        self._start(spec, line)
        self._write()
        process.wait_or_cancel(self.store, line.job, lambda: self._stop, LOOK_S)
        view = self.store.view(line.job)
        line.state = FINISHED if view.status.state == FINISHED else FAILED
        if line.state == FAILED:  # cancelled and interrupted ones have no error of their own
            line.error = view.status.error["message"] if view.status.error else f"was {view.status.state}"
        line.seconds = max(0.0, view.status.ended - view.status.started) if view.status.started else 0.0
        line.headline = headline_of_job(self.store, line.job)

    def _start(self, spec: JobSpec, line: Line) -> None:
        """A job for the specification: a known one, resumed if need be, or a new one."""
        complete = checked(spec, self.kinds, self.store.home)
        digest = data_digest(complete.data, self.store.home)
        with self._starting:
            same = [view for view in self.store.list() if _same(view.spec, complete)] if self.batch.reuse else []
            known = [view for view in same if noted_digest(self.store.folder(view.id)) in ("", digest)]
            if not known:
                line.job = process.submit(self.store, spec, self.kinds)
            else:
                best = next((view for view in known if view.status.state == FINISHED), known[0])
                if best.status.state in RESUMABLE_STATES:
                    process.resume(self.store, best.id, self.kinds)
                line.job = best.id
            note_digest(self.store.folder(line.job), digest)
        if same and not known:
            self._say_changed(line, same[0].id)

    def _say_changed(self, line: Line, before: str) -> None:
        line.note = f"run anew, since its data have changed after job {before}"
        with self._turn:
            self.run.emit(
                "warning", step=self._done(), code="data-changed", message=f"{line.name} is {line.note}", remedy=""
            )

    def _evaluate(self, item: Item, found: dict[str, str], line: Line) -> None:
        begin = time.monotonic()
        line.headline = evaluate_table(item, found, self.store, self.run.folder / "results" / "evaluations" / item.name)
        line.state, line.seconds = FINISHED, time.monotonic() - begin

    def _ended(self, line: Line) -> None:
        with self._turn:
            self._report(line)
            self._turn.notify_all()

    def _report(self, line: Line) -> None:
        done = self._done()
        self.run.emit(
            "item", step=done, name=line.name, kind=line.kind, job=line.job, state=line.state, headline=line.headline,
            error=line.error,
        )  # fmt: skip
        self.run.progress(done, len(self.lines), f"{line.name} {line.state}")
        self._write()

    def _done(self) -> int:
        return sum(line.state not in (WAITING, RUNNING) for line in self.lines.values())

    def _write(self) -> None:
        write_lines(self.run.folder / "results", list(self.lines.values()))


def _same(one: JobSpec, other: JobSpec) -> bool:
    """The same work, whatever it is called and wherever it runs."""
    first, second = (to_json(dataclasses.replace(spec, name="", device="")) for spec in (one, other))
    return first == second
