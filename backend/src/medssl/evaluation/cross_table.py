"""Trained on one group, tested on each: what does it cost a group not to be in the training set?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError
from medssl.core.files import write_json
from medssl.evaluation.evaluate import carriers_of, guess_kind
from medssl.evaluation.metrics.classification_metrics import ClassificationMetrics, check
from medssl.evaluation.prediction_tables import Predictions
from medssl.evaluation.statistics.bootstrap import METHOD, PatientBootstrap
from medssl.evaluation.statistics.resampled import Resampled
from medssl.evaluation.subgroups import Grouping, adjusted, group_by, hold_back, on_rows
from medssl.reports.figures.plots import draw_intervals
from medssl.reports.html import Report
from medssl.reports.sections import TITLES, cell, probability


def cross_table(
    tables: Mapping[str, Predictions], asked: str, metric: str = "auc", replicates: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """A metric of each model on each group, and the gap to the model that was trained on the tested group.

    The design of Ark's bias analysis: models trained per sex, each tested on both.

    Args:
        tables: the group that a model was trained on (or any other name) -> its predictions of the same test images.
        asked: the attribute, see `subgroups.group_by`.
        metric: one of `weighted.METRICS`.

    Returns:
        trained_on, tested_on, class, metric, images, patients, value, low, high; difference (to the model trained on the
        tested group), difference_low, difference_high, p, adjusted_p (Holm over the table), None for that model itself.

    Raises:
        CatalogError: the tables are of different images or classes.
        InputError: no such attribute.
    """
    first = next(iter(tables.values()))
    aligned = {name: _aligned(table, first, name) for name, table in tables.items()}
    grouping = group_by(asked, first.attributes)
    bootstrap = PatientBootstrap(first.patients, replicates, seed)
    rows = []
    for group, members in zip(grouping.names, grouping.members):
        keys, carriers, parts, found = _resample(aligned, members, bootstrap, grouping, metric)
        for trained_on, resampled in found.items():
            own = found.get(group) if trained_on != group else None
            known = ~np.isnan(resampled.values)
            gaps = hold_back(resampled.minus(own).tests(carriers), known, parts) if own else [None] * len(keys)
            for name, bounds, gap in zip(keys, hold_back(resampled.intervals(carriers), known, parts), gaps):
                rows.append(
                    {
                        "trained_on": trained_on, "tested_on": group, "class": name, "metric": metric,
                        "images": len(members), "patients": bootstrap.patients_among(members), **bounds.as_dict(),
                        "difference": gap.difference if gap else None, "difference_low": gap.low if gap else None,
                        "difference_high": gap.high if gap else None, "p": gap.p if gap else None,
                    }
                )  # fmt: skip
    return adjusted(rows, ("metric",))


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
        [[*pair, *(cell(by_place[(*pair, group)]) for group in tested)] for pair in pairs],
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
                    *(row[key] for key in ("class", "trained_on", "tested_on")), cell(row, "difference", sign="+"),
                    probability(row["p"]), probability(row["adjusted_p"]),
                ]
                for row in gaps
            ],
        )  # fmt: skip
    report.heading("How it was measured")
    report.text(f"{METHOD.format(replicates=replicates)}.")
    report.write(folder / "report.html")
    return folder / "report.html"


def _resample(
    tables: Mapping[str, Predictions], members: np.ndarray, bootstrap: PatientBootstrap, grouping: Grouping, metric: str
) -> tuple[list[str], np.ndarray, dict[int, list[int]], dict[str, Resampled]]:
    """Class names, the patients that carry each, what a mean is of, and the metric of each model on the members."""
    found = {}
    for trained_on, table in tables.items():
        kind = guess_kind(table.targets)
        targets, scores = check(table.targets, table.probabilities, kind, table.names)
        statistic = ClassificationMetrics(targets[members], scores[members], kind, table.names)
        columns = [n for n, (_, name) in enumerate(statistic.keys) if name == metric]
        whole = bootstrap.resample(on_rows(members, statistic))
        found[trained_on] = Resampled(whole.values[columns], whole.replicates[:, columns], whole.left_out[:, columns])
        carriers = carriers_of(statistic.keys, targets, members, table.names, bootstrap)[columns]
    parts = {columns.index(n): [columns.index(m) for m in of] for n, of in statistic.parts.items() if n in columns}
    return [statistic.keys[n][0] for n in columns], carriers, parts, found


def _aligned(table: Predictions, first: Predictions, name: str) -> Predictions:
    """The table in the order of the first one's images."""
    place = {image: n for n, image in enumerate(table.images)}
    if set(place) != set(first.images) or set(table.names) != set(first.names):
        rule = "predicts other images or classes than the first table"
        raise CatalogError(f"table {name}", rule, "Give predictions of the same test images by every model")
    rows = table.rows(np.array([place[image] for image in first.images]))
    order = [list(rows.names).index(one) for one in first.names]
    return Predictions(
        rows.images,
        rows.patients,
        tuple(first.names),
        rows.probabilities[:, order],
        rows.targets[:, order],
        rows.attributes,
    )
