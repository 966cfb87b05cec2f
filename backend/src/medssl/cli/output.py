"""What the terminal shows: tables, errors, a running job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from medssl.core.errors import MedSSLError
from medssl.core.protocol import JobView, to_json

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def complain(error: MedSSLError) -> None:
    """Show the value and the rule it breaks, and below them the remedy."""
    err.print(f"[bold red]Error[/] {escape(error.value)}: {escape(error.rule)}.", highlight=False)
    if error.remedy:
        err.print(f"      {escape(error.remedy)}.")


def print_json(value: Any) -> None:
    """Print any protocol value as JSON on standard output."""
    print(json.dumps(to_json(value), indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table; floats with four digits."""
    table = Table(*columns, title=title or None, title_justify="left", header_style="bold")
    for row in rows:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else escape(str(cell)) for cell in row))
    out.print(table)


class JobDisplay:
    """A progress bar for a running job, with its validations and warnings as lines above it."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
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
            self._line(
                f"on {event['device']} in {event['precision']}: {event['training']} training, {event['validation']} validation images"
            )
        elif kind == "resumed":
            self.progress.update(self.task, completed=event["step"])
            self._line(f"resumed at step {event['step']}")
        elif kind == "loss":
            self.progress.update(self.task, completed=event["step"], description=f"loss {event['loss']:.4f}")
        elif kind == "run":  # of a comparison
            value = "" if event["test"] is None else f", {event['metric']} {event['test']:.4f}"
            self.progress.update(self.task, completed=event["step"])
            self._line(f"{event['arm']}, size {event['size']:g}, seed {event['seed']}: {event['state']}{value}")
        elif kind == "batch":
            self.progress.update(self.task, total=event["steps"], description="batch")
        elif kind == "item":
            self.progress.update(self.task, completed=event["step"])
            self._line(escape(f"{event['name']} {event['state']} {event['error'] or event['headline']}"))
        elif kind == "metric":
            named = ("validation_loss", "constant_mean_loss", "distorted_loss", "validation_dice", "validation_auc")
            values = ", ".join(f"{name.replace('_', ' ')} {event[name]:.4f}" for name in named if name in event)
            self._line(f"step {event['step']}: {values}")
        elif kind == "transfer":
            self._line(escape(event["text"]))
        elif kind == "evaluation":
            for part in ("validation", "test"):
                values = ", ".join(f"{name} {v:.4f}" for name, v in (event.get(part) or {}).items() if v is not None)
                self._line(f"{part}: {values}" if values else f"{part}: no images")
        elif kind == "warning":
            self._line(f"[yellow]warning[/] {escape(event['message'])}. {escape(event['remedy'])}.")

    def _line(self, text: str) -> None:
        self.progress.console.print(text)


def download_bar(title: str) -> Progress:
    """A progress bar in bytes."""
    return Progress(TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err)


def print_jobs(views: Iterable[JobView]) -> None:
    """One line per job."""
    rows = (
        (
            view.id,
            view.status.state,
            view.spec.method,
            view.spec.name,
            f"{view.status.step}/{view.status.steps}",
            view.status.error["message"] if view.status.error else view.status.message,
        )
        for view in views
    )
    print_table(("job", "state", "method", "name", "step", "message"), rows)
