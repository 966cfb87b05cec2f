"""The report on models trained on one group and tested on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medssl.core.files import write_json
from medssl.evaluation.statistics.bootstrap import METHOD
from medssl.evaluation.verdicts import TITLES
from medssl.reports.figures.plots import draw_intervals
from medssl.reports.html import Report
from medssl.reports.numbers import in_cell, p_value


def write_cross_table(rows: Sequence[Mapping[str, Any]], folder: Path, title: str, replicates: int) -> Path:
    """Write cross.json and report.html; the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "cross.json", list(rows))
    metric = TITLES[rows[0]["metric"]]
    tested, names = (list(dict.fromkeys(row[key] for row in rows)) for key in ("tested_on", "class"))
    report = Report(title, f"{metric} of models trained on one group, tested on each; {', '.join(names)}.")
    report.heading(f"{metric} by training and test group")
    by_place = {(row["class"], row["trained_on"], row["tested_on"]): row for row in rows}
    pairs = list(dict.fromkeys((row["class"], row["trained_on"]) for row in rows))
    report.table(
        ["class", "trained on", *(f"tested on {group}" for group in tested)],
        [[*pair, *(in_cell(by_place[(*pair, group)]) for group in tested)] for pair in pairs],
    )
    gaps = [
        {**row, "low": row["difference_low"], "high": row["difference_high"]}
        for row in rows
        if row["difference"] is not None
    ]
    if gaps:
        report.heading("Gaps to the model trained on the tested group")
        named = [(f"{row['class']}: {row['trained_on']} tested on {row['tested_on']}", row) for row in gaps]
        report.picture(
            draw_intervals(named, f"difference in {metric}", 0.0, "difference"),
            "Below 0: the model trained on another group does worse. 95 % intervals, paired over the same images.",
        )
        report.table(
            ["class", "trained on", "tested on", f"difference in {metric}", "p", "p (Holm)"],
            [
                [
                    *(row[key] for key in ("class", "trained_on", "tested_on")), in_cell(row, "difference", sign="+"),
                    p_value(row["p"]), p_value(row["adjusted_p"]),
                ]
                for row in gaps
            ],
        )  # fmt: skip
    report.heading("How it was measured")
    report.text(f"{METHOD.format(replicates=replicates)}.")
    report.write(folder / "report.html")
    return folder / "report.html"
