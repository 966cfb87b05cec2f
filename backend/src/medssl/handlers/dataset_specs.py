"""What is in declared sets: the catalogue inspection's answer for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medssl.core.protocol import DataSpec
from medssl.core.registry import config_class
from medssl.datasets.spec.check import Checked, check_datasets
from medssl.datasets.spec.spec import DatasetSpec
from medssl.pretraining import METHODS
from medssl.reports.figures.contact_sheet import contact_sheet

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext


def inspect_sets(data: DataSpec, context: FolderContext, read_all: bool = False) -> None:
    """Check datasets: files sheet-NAME.png; a row per set; info: `sets`, the reports of `check_datasets`, and the sums of the
    sets as for any catalogue (volumes, patients, modality, dimension, methods, training, validation, test, notes).

    Raises:
        CatalogError: no dataset spec (what is wrong with the set itself stands in its report).
    """
    dataset_specs = [DatasetSpec.from_dict(one) for one in data.sets]
    checked = check_datasets(dataset_specs, True, False, context.progress, data.validation_fraction, read_all)
    files = []
    for number, one in enumerate(checked):
        if one.dataset is not None:
            context.progress(number / len(checked), f"drawing images of {one.dataset.name}")
            files.append(contact_sheet(one.dataset, context.folder / f"sheet-{one.dataset.name}.png").name)
    reports = [one.report for one in checked]
    parts = {part: _sum(reports, part) for part in ("training", "validation", "test")}
    told = [problem for report in reports for problem in (*report["errors"], *report["warnings"])]
    info = {
        "volumes": sum(report["images"] for report in reports),
        "patients": sum(report["patients"] for report in reports),
        "modality": ", ".join(sorted({one.modality for one in dataset_specs})),
        "dimension": "2D",
        "methods": ", ".join(name for name in METHODS if len(config_class(METHODS, name)().sample_size) == 2),
        **{part: count for part, count in parts.items() if count or part != "test"},
        "notes": [f"{one['value']} {one['rule']}. {one['remedy']}" for one in told],
        "sets": reports,
    }
    context.finish(list(dict.fromkeys(files)), [_row(one) for one in checked], info)


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
