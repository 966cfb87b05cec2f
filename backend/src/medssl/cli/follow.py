"""A job started from the terminal, and followed there to its end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from medssl.cli.output import complain, err, out
from medssl.cli.working import Lines
from medssl.core.errors import from_dict
from medssl.core.protocol import FINISHED, QUEUED, RESUMABLE_STATES, RUNNING, JobSpec, JobStatus
from medssl.jobs.pace import duration_text

PRODUCTS = ("model.safetensors", "report.html", "batch.md")  # what a job is run for
METRICS = (
    "validation_loss", "constant_mean_loss", "distorted_loss", "match_median", "within_a_cell", "same_place_error",
    "validation_dice", "validation_auc",
)  # fmt: skip


def run_job(store: Any, spec: JobSpec, detach: bool) -> tuple[Path, int | None]:
    """Start a job and follow it; its folder and the exit status, None where it is left alone (its id is printed)."""
    from medssl.jobs import process

    job = process.submit(store, spec)
    if detach:
        print(job)
        return store.folder(job), None
    return store.folder(job), watch_job(store, job)


def prepare_job(store: Any, spec: JobSpec, launcher: str = "python") -> None:
    """Make a job's folder without starting it, and print the command that runs it; {job} in `launcher` is its id."""
    from medssl.jobs.check import checked

    folder = store.folder(store.create(checked(spec, home=store.home)))
    command = f"{launcher.format(job=folder.name)} -m medssl.jobs.child {shlex.quote(str(folder))}"
    out.print(f"{folder}\nrun it with: {command}", highlight=False)


def watch_job(store: Any, job: str) -> int:
    """Show a job on the terminal to its end; returns the exit status."""
    from medssl.jobs import process

    err.print(f"job {job}", highlight=False)
    try:
        with JobDisplay() as display:
            view = process.wait(store, job, display.show, display.look)
    except KeyboardInterrupt:
        err.print(f"\nThe job goes on. Stop it with: medssl jobs cancel {job}", highlight=False)
        return 130
    if view.status.state == FINISHED:
        if display.verdict:
            err.print(display.verdict, highlight=False, markup=False)
        results = store.folder(job) / "results"
        print(next((results / name for name in PRODUCTS if (results / name).is_file()), results))
        return 0
    if view.status.error:
        complain(from_dict(view.status.error))
    err.print(f"{view.status.state}; log: {store.folder(job) / 'log.txt'}", highlight=False)
    if view.status.state in RESUMABLE_STATES:
        err.print(f"Go on with it: medssl jobs resume {job}", highlight=False)
    return 1


class JobDisplay:
    """A progress bar for a running job, with its validations and warnings as lines above it.

    Where no terminal shows bars (a pipe, a file), what the job is at and how long it goes on are lines too.
    """

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self.progress = Progress(*columns, console=err, disable=not err.is_terminal)
        self.task = self.progress.add_task("waiting", total=None, left="")
        self.lines, self.estimated = Lines(), False
        self.verdict = ""  # in a sentence, of a job that has one

    def __enter__(self) -> JobDisplay:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def look(self, status: JobStatus) -> None:
        """Take a look at the job between its events: what it is at before its first step, and what is left then."""
        left = f"about {duration_text(status.eta_s)} left" if status.eta_s else ""
        if status.state in (QUEUED, RUNNING) and not status.step and status.message:
            self.progress.update(self.task, description=escape(status.message))
            self.lines.update(status.message)
        self.progress.update(self.task, left=left)

    def show(self, event: dict[str, Any]) -> None:
        """Take one event of the job."""
        kind = event["type"]
        if kind == "started":
            self.progress.update(self.task, total=event["steps"], description="training")
        elif kind == "batch":
            self.progress.update(self.task, total=event["steps"], description="batch")
        elif kind == "loss":
            self.progress.update(self.task, completed=event["step"], description=f"loss {event['loss']:.4f}")
        elif kind == "verdict":
            self.verdict = event["text"]
        elif kind in ("resumed", "run", "item", "fold"):
            self.progress.update(self.task, completed=event["step"])
        if kind == "estimate" and (not err.is_terminal or not self.estimated):  # a bar shows the further ones
            self.estimated = True
            err.print(escape(estimate_line(event)), highlight=False)
        for line in lines_of(event):
            self.progress.console.print(line)


def estimate_line(event: Mapping[str, Any]) -> str:
    """Of a running job: "step 12 of 60 (20 %), about 4 min left, loss 0.5120"."""
    step, steps = event["step"], event["steps"]
    said = f", {event['message']}" if event["message"] else ""
    return f"step {step} of {steps} ({100 * step // steps} %), about {duration_text(event['left_s'])} left{said}"


def lines_of(event: dict[str, Any]) -> list[str]:
    """The lines above the bar that an event leaves, in rich's markup."""
    kind = event["type"]
    if kind == "started":
        images = f"{event['training']} training, {event['validation']} validation images"
        seen = f", volumes as {event['geometry']}" if event.get("geometry") else ""
        return [f"on {event['device']} in {event['precision']}: {images}{seen}"]
    if kind == "resumed":
        return [f"resumed at step {event['step']}"]
    if kind == "run":  # of a comparison
        value = "" if event["test"] is None else f", {event['metric']} {event['test']:.4f}"
        return [f"{event['arm']}, size {event['size']:g}, seed {event['seed']}: {event['state']}{value}"]
    if kind == "fold":  # of an ensemble
        known = [f"{part} dice {event[part]:.4f}" for part in ("validation", "test") if event[part] is not None]
        return [f"fold {event['fold']} of {event['folds']}: {', '.join(known) or 'nothing was measured'}"]
    if kind == "item":  # of a batch
        return [escape(f"{event['name']} {event['state']} {event['error'] or event['headline']}")]
    if kind == "metric":
        values = (f"{name.replace('_', ' ')} {event[name]:.4f}" for name in METRICS if name in event)
        return [f"step {event['step']}: {', '.join(values)}"]
    if kind == "transfer":
        return [escape(event["text"])]
    if kind == "evaluation":
        return [_measured(part, event.get(part) or {}) for part in ("validation", "test")]
    if kind == "warning":
        remedy = f" {event['remedy']}." if event["remedy"] else ""
        return [f"[yellow]warning[/] {escape(event['message'] + '.' + remedy)}"]
    return []


def _measured(part: str, metrics: dict[str, float | None]) -> str:
    values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if value is not None)
    return f"{part}: {values or ('no metric has a value: nothing is known there' if metrics else 'no images')}"
