"""A job started from the terminal, and followed there to its end."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from medssl.cli.output import complain, err, out
from medssl.core.errors import from_dict
from medssl.core.protocol import FINISHED, JobSpec

PRODUCTS = ("model.safetensors", "report.html", "batch.md")  # what a job is run for
METRICS = ("validation_loss", "constant_mean_loss", "distorted_loss", "validation_dice", "validation_auc")


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
            view = process.wait(store, job, display.show)
    except KeyboardInterrupt:
        err.print(f"\nThe job goes on. Stop it with: medssl jobs cancel {job}", highlight=False)
        return 130
    if view.status.state == FINISHED:
        results = store.folder(job) / "results"
        print(next((results / name for name in PRODUCTS if (results / name).is_file()), results))
        return 0
    if view.status.error:
        complain(from_dict(view.status.error))
    err.print(f"{view.status.state}; log: {store.folder(job) / 'log.txt'}", highlight=False)
    return 1


class JobDisplay:
    """A progress bar for a running job, with its validations and warnings as lines above it."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=err)
        self.task = self.progress.add_task("waiting", total=None)

    def __enter__(self) -> JobDisplay:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Take one event of the job."""
        kind = event["type"]
        if kind == "started":
            self.progress.update(self.task, total=event["steps"], description="training")
        elif kind == "batch":
            self.progress.update(self.task, total=event["steps"], description="batch")
        elif kind == "loss":
            self.progress.update(self.task, completed=event["step"], description=f"loss {event['loss']:.4f}")
        elif kind in ("resumed", "run", "item", "fold"):
            self.progress.update(self.task, completed=event["step"])
        for line in lines_of(event):
            self.progress.console.print(line)


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
