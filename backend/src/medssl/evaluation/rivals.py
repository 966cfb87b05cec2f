"""A model beside trivial rivals on the same test images: values, and paired differences over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medssl.evaluation.metrics.classification_metrics import MEAN, ClassificationMetrics
from medssl.evaluation.prediction_tables import Predictions
from medssl.evaluation.statistics.bootstrap import PatientBootstrap, Statistic, mean_of
from medssl.evaluation.verdicts import Verdict, against_rivals

Rows = list[dict[str, Any]]


def classification_rows(
    predictions: Predictions,
    rivals: Mapping[str, np.ndarray],
    kind: str,
    carriers: int,
    metric: str = "auc",
    replicates: int = 1000,
    seed: int = 0,
) -> Rows:
    """A row per rival, see `rival_rows`.

    Args:
        predictions: of the model.
        rivals: name -> probabilities (N, C) of the same images.
        kind: binary, multi-class or multi-label.
        carriers: patients that the metric rests on.
        metric: of the one class, or its mean over classes.
    """
    names, targets = predictions.names, predictions.targets

    def statistic(probabilities: np.ndarray) -> Statistic:
        metrics = ClassificationMetrics(targets, probabilities, kind, names)
        column = metrics.keys.index((MEAN if len(names) > 1 else names[0], metric))
        return lambda weights: metrics(weights)[:, [column]]

    bootstrap = PatientBootstrap(predictions.patients, replicates, seed)
    found = {name: statistic(probabilities) for name, probabilities in rivals.items()}
    return rival_rows(statistic(predictions.probabilities), found, bootstrap, carriers, metric)


def segmentation_rows(
    cases: Rows, rivals: Mapping[str, Rows], metric: str = "dice", replicates: int = 1000, seed: int = 0
) -> Rows:
    """A row per rival, see `rival_rows`, on the images where the model and all rivals have a value.

    Args:
        cases: of the model, with a row "mean" per image.
        rivals: name -> cases of the same images.
    """
    tables = {name: _means(rows, metric) for name, rows in rivals.items()}
    own = _means(cases, metric)
    shared = [key for key in own if all(key in table for table in tables.values())]
    if not shared or not tables:
        return []
    bootstrap = PatientBootstrap([patient for _, patient in shared], replicates, seed)

    def statistic(table: Mapping[tuple[str, str], float]) -> Statistic:
        return mean_of(np.array([table[key] for key in shared]))

    found = {name: statistic(table) for name, table in tables.items()}
    return rival_rows(statistic(own), found, bootstrap, bootstrap.patients, metric)


def judge(evaluation: dict[str, Any], rows: Rows, more: Sequence[str] = ()) -> dict[str, Any]:
    """The evaluation with its rivals and, where there are any, their verdict.

    Args:
        evaluation: of `evaluate_classification` or `evaluate_segmentation`.
        rows: of rivals.
        more: sentences that stand behind the verdict.
    """
    known = evaluation["verdict"]
    verdict = against_rivals(rows) if rows else Verdict(known["text"], known["good"])
    return evaluation | {"rivals": rows, "verdict": verdict.with_more(*more).as_dict()}


def carriers_of_auc(evaluation: Mapping[str, Any]) -> int:
    """Patients that a mean AUC rests on: those of the rarer kind of the rarest class that has both."""
    counts = [min(row["positive_patients"], row["negative_patients"]) for row in evaluation["counts"].values()]
    return min([count for count in counts if count], default=0)


def rival_rows(
    model: Statistic, rivals: Mapping[str, Statistic], bootstrap: PatientBootstrap, carriers: int, metric: str
) -> Rows:
    """rival, metric, value with interval, the model's value, and model - rival with its 95 % interval and p.

    Intervals draw test patients, for the model and the rival alike; None for fewer than 5 patients.
    """
    own = bootstrap.resample(model)
    rows: Rows = []
    for name, statistic in rivals.items():
        other = bootstrap.resample(statistic)
        test = own.minus(other).tests([carriers])[0]
        bounds = other.intervals([carriers])[0]
        rows.append({
            "rival": name, "metric": metric, "value": bounds.value, "low": bounds.low, "high": bounds.high,
            "model": None if np.isnan(own.values[0]) else float(own.values[0]), "patients": carriers,
            "difference": test.difference, "difference_low": test.low, "difference_high": test.high, "p": test.p,
        })  # fmt: skip
    return rows


def _means(cases: Rows, metric: str) -> dict[tuple[str, str], float]:
    """(image, patient) -> the metric's mean over classes, where it is known."""
    return {
        (str(row["image"]), str(row["patient"])): float(row[metric])
        for row in cases
        if row["class"] == MEAN and row[metric] is not None
    }
