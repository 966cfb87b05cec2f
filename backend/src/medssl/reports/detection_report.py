"""The page on candidates: FROC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medssl.core.errors import counted
from medssl.core.files import write_json
from medssl.core.tables import write_table
from medssl.reports.figures.froc import draw_froc
from medssl.reports.html import Report
from medssl.reports.numbers import in_cell

RULES = (
    "A candidate hits a nodule from whose centre it is no farther than the nodule's radius. Of several hits of one nodule the highest "
    "score counts; hits of irrelevant findings are left out; all others are false positives, also in scans without "
    "nodules. Sensitivity is linear between the points of the curve (LUNA16: Setio et al., Medical Image Analysis 42, 2017)."
)


def write_detection(found: Mapping[str, Any], folder: Path, title: str = "Candidates") -> Path:
    """Write report.html, evaluation.json, froc.csv (sensitivities) and scans.csv; the path of the page.

    Args:
        found: of `evaluate_detection`.
        folder: made where it is missing.
        title: of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "evaluation.json", found)
    write_table(
        [{"false_positives_per_scan": rate, **row} for rate, row in found["sensitivity"].items()], folder / "froc.csv"
    )
    write_table(found["rows"], folder / "scans.csv")
    report = Report(
        title,
        f"{counted(found['candidates'], 'candidate')} in {counted(found['scans'], 'scan')} of {counted(found['patients'], 'patient')}; "
        f"{found['found']} of {counted(found['nodules'], 'nodule')} hit by one.",
    )
    cpm = found["sensitivity"]["cpm"]
    report.verdict(found["verdict"], None if cpm["low"] is None else cpm["low"] > found["chance"])
    report.heading("Sensitivity by false positives per scan")
    report.picture(draw_froc({title: found}), "Free-response ROC. Bars: 95 % intervals.")
    rates = list(found["sensitivity"])
    report.table(
        [*(f"{rate} per scan" for rate in rates[:-1]), "mean (CPM)"],
        [[in_cell(found["sensitivity"][r]) for r in rates]],
    )
    report.heading("Scans")
    heads = ("scan", "patient", "nodules", "found", "false positives")
    report.table(heads, [list(row.values()) for row in found["rows"]])
    report.heading("How it was measured")
    for text in (RULES, f"{found['method']}.", *(f"Note: {note}." for note in found["notes"])):
        report.text(text)
    report.write(folder / "report.html")
    return folder / "report.html"
