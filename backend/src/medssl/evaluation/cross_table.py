"""Trained on one group, tested on each: what does it cost a group not to be in the training set?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError
from medssl.evaluation.evaluate import carriers_of, guess_kind
from medssl.evaluation.metrics.classification_metrics import ClassificationMetrics, check
from medssl.evaluation.prediction_tables import Predictions
from medssl.evaluation.statistics.bootstrap import PatientBootstrap
from medssl.evaluation.statistics.resampled import Resampled
from medssl.evaluation.subgroups import Grouping, adjusted, group_by, hold_back, on_rows


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
    grouping = group_by(asked, first.attributes, as_written=True)
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
