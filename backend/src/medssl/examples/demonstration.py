"""What all demonstrations share: a backend of their own, a training one can watch, a result and a report."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import medssl
from medssl.cli.follow import JobDisplay
from medssl.client import api, backend
from medssl.client.session import Session, connect
from medssl.core.protocol import DataSpec, JobView
from medssl.reports.html import Report


@dataclass(frozen=True)
class DemoResult:
    """What a demonstration found: a table, the verdict in words, whether the model learnt, and the report."""

    columns: Sequence[str]
    rows: Sequence[tuple]
    verdict: str
    good: bool
    report: Path


@contextmanager
def backend_over(home: Path) -> Iterator[Session]:
    """A session with a backend over `home`, which ends with the block if it was started for it."""
    running = backend.find(home)
    session = connect(home)
    try:
        yield session
    finally:
        if running is None:
            session.send(api.shutdown())


def train(
    session: Session, data: DataSpec, method: str, preset: str, settings: dict[str, Any], events: list[dict[str, Any]]
) -> JobView:
    """Pretrain through the client, showing and keeping every event."""
    job = session.pretrain(data, method, preset, settings, name="demo", device="auto")
    with JobDisplay() as display:

        def on_event(event: dict[str, Any]) -> None:
            events.append(event)
            display.show(event)

        return session.wait(job.id, on_event)


def save_result(output: Path, rows: Sequence[Any], verdict: str, good: bool) -> None:
    """Leave result.json."""
    (output / "result.json").write_text(json.dumps({"rows": rows, "good": good, "verdict": verdict}), encoding="utf-8")


def new_report(title: str, verdict: str, good: bool | None) -> Report:
    """A report that begins with the verdict."""
    report = Report(title, f"MedSSL {medssl.__version__}, {time.strftime('%Y-%m-%d %H:%M')}, {platform.machine()}")
    report.verdict(verdict, good)
    return report


def finish_report(report: Report, facts: Mapping[str, Any], sources: str, output: Path) -> Path:
    """End a report with the settings of its training and the sources of its data; returns report.html."""
    report.table(("setting", "value"), facts.items())
    report.text(f"Data: CT scans shipped with the packages {sources}; see NOTICE for licences.")
    report.write(output / "report.html")
    return output / "report.html"
