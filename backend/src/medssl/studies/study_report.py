"""What a comparison says, as tables and one page."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from medssl.files import write_atomic
from medssl.protocol import from_json
from medssl.studies.compare_config import Arm, Study
from medssl.studies.plan import outcomes
from medssl.studies.study_table import run_rows, summarise, timing_rows, write_table


def write_study(folder: Path, about: dict[str, Any]) -> Path:
    """Write the tables and report.html of what is finished; returns the report's path."""
    tree = about["study"]
    arms = tuple(from_json(Arm, arm) for arm in tree["arms"])
    study = from_json(Study, {**tree, "arms": arms})
    found, results = outcomes(study, folder), folder / "results"
    results.mkdir(exist_ok=True)
    write_table(results / "runs.csv", run_rows(found))
    write_table(results / "timing.csv", timing_rows(found))
    write_table(results / "summary.csv", [dataclasses.asdict(line) for line in summarise(study, found)])
    write_atomic(results / "table.md", b"\n")
    return results / "report.html"
