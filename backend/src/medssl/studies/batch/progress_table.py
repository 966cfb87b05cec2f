"""The one table of a batch: what ran, what it gave, what failed and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.files import read_json, write_atomic
from medssl.core.protocol import FAILED, FINISHED, RUNNING
from medssl.core.tables import write_table
from medssl.jobs.store import JobStore

WAITING, SKIPPED = "waiting", "skipped"
STATES = (FINISHED, FAILED, SKIPPED, RUNNING, WAITING)


@dataclass
class Line:
    """What has become of one item."""

    name: str
    kind: str
    method: str
    state: str = WAITING
    seconds: float = 0.0
    headline: str = ""
    error: str = ""
    job: str = ""
    note: str = ""  # why it was not taken over from an earlier batch


def write_lines(results: Path, lines: Sequence[Line]) -> None:
    """Write batch.csv and batch.md."""
    results.mkdir(parents=True, exist_ok=True)
    rows = [dataclasses.asdict(line) for line in lines]
    write_table(rows, results / "batch.csv", line_end="\n", digits=8)
    write_atomic(results / "batch.md", markdown(lines).encode())


def markdown(lines: Sequence[Line]) -> str:
    """The table, and how many items ended how."""
    counts = ", ".join(f"{n} {state}" for state in STATES if (n := sum(line.state == state for line in lines)))
    heads = ["item", "kind", "state", "seconds", "result", "job"]
    said = ["; ".join(filter(None, (x.error or x.headline, x.note))) for x in lines]
    cells = [[x.name, x.kind, x.state, f"{x.seconds:.0f}", result, x.job] for x, result in zip(lines, said)]
    body = [
        heads,
        ["---"] * len(heads),
        *([" ".join(cell.replace("|", "\\|").split()) for cell in row] for row in cells),
    ]
    return f"{counts}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in body)


def headline_of_job(store: JobStore, job: str) -> str:
    """The number a reader looks for first: test metrics, the comparison's means, a validation loss, images done."""
    comparison = store.folder(job) / "results" / "comparison.json"
    if comparison.is_file():
        return _of_comparison(read_json(comparison))
    last = store.last_events(job)
    if "evaluation" in last:
        part = "test" if last["evaluation"].get("test") else "validation"
        return f"{part}: {headline(last['evaluation'].get(part) or {})}"
    finished = last.get("finished", {})
    if "images" in finished:
        return f"{finished['images'] - finished['failed']} of {finished['images']} images"
    loss = finished.get("validation_loss")
    return "" if loss is None else f"validation loss {loss:.4f}"


def headline(values: dict[str, float | None], count: int = 2) -> str:
    """The first metrics in words."""
    known = [f"{name} {value:.3f}" for name, value in values.items() if value is not None]
    return ", ".join(known[:count])


def _of_comparison(found: dict[str, Any]) -> str:
    metric = found["study"]["metric"]
    lines = [line for line in found["summary"] if line["mean"] is not None and line["metric"] == metric]
    largest = max((line["size"] for line in lines), default=0)
    means = ", ".join(f"{line['arm']} {line['mean']:.3f}" for line in lines if line["size"] == largest)
    return f"{metric}: {means}" if means else ""
