"""What is in sets with dataset specs: the reports of their checks, summed up as a catalogue's overview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medssl.core.registry import config_class
from medssl.datasets.spec.check import Checked
from medssl.datasets.spec.spec import DatasetSpec
from medssl.pretraining import METHODS


def spec_overview(
    dataset_specs: Sequence[DatasetSpec], checked: Sequence[Checked]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row per set, and info: `sets`, their reports, and the sums of the sets as `catalog_overview` has them."""
    reports = [one.report for one in checked]
    parts = {part: _sum(reports, part) for part in ("training", "validation", "test")}
    problems = [problem for report in reports for problem in (*report["errors"], *report["warnings"])]
    info = {
        "volumes": sum(report["images"] for report in reports),
        "patients": sum(report["patients"] for report in reports),
        "modality": ", ".join(sorted({one.modality for one in dataset_specs})),
        "dimension": "2D",
        "methods": ", ".join(name for name in METHODS if len(config_class(METHODS, name)().sample_size) == 2),
        **{part: count for part, count in parts.items() if count or part != "test"},
        "notes": [f"{one['value']} {one['rule']}. {one['remedy']}" for one in problems],
        "sets": reports,
    }
    return [_row(one) for one in checked], info


def _row(one: Checked) -> dict[str, Any]:
    report = one.report
    numbers = {part: report.get("splits", {}).get(part, 0) for part in ("training", "validation", "test")}
    problems = {
        "missing": report.get("missing", 0),
        "errors": len(report["errors"]),
        "warnings": len(report["warnings"]),
    }
    return (
        {"set": report["name"], "kind": report["kind"], "images": report["images"], "patients": report["patients"]}
        | numbers
        | problems
    )


def _sum(reports: list[dict[str, Any]], part: str) -> int:
    return sum(report.get("splits", {}).get(part, 0) for report in reports)
