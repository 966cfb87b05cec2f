"""Everything that is known of a finished model from its test images, as plain numbers for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from medssl.core.errors import InputError, be, counted
from medssl.evaluation.case_statistic import CaseTable
from medssl.evaluation.metrics import segmentation_metrics as segmentation
from medssl.evaluation.metrics.calibration import reliability
from medssl.evaluation.metrics.classification_metrics import MEAN, ClassificationMetrics, Confusion, check, decisions
from medssl.evaluation.prediction_tables import Predictions
from medssl.evaluation.statistics.bootstrap import METHOD, PatientBootstrap
from medssl.evaluation.subgroups import Grouping, evaluate_groups, group_by, hold_back
from medssl.evaluation.verdicts import of_classification, of_segmentation

WORST = 12
POINTS = 400  # of a curve
OF_POSITIVES = ("average_precision", "f1", "sensitivity", "sensitivity_at_specificity")
OF_BOTH = ("auc", "mcc")

Rows = list[dict[str, Any]]


def evaluate_classification(
    predictions: Predictions,
    thresholds: Mapping[str, float] | None = None,
    groups: Sequence[str] = (),
    replicates: int = 1000,
    seed: int = 0,
    kind: str = "auto",
    specificity: float = 0.9,
) -> dict[str, Any]:
    """Metrics with intervals, of each class and over all, per group, with curves, confusion table and worst cases.

    Args:
        predictions: of test images; labels may be missing in part.
        thresholds: by class, chosen on validation images; 0.5 for others.
        groups: see `subgroups.group_by`.
        replicates, seed: of the bootstrap.
        kind: binary, multi-class, multi-label, or auto: as the labels look.
        specificity: at which the sensitivity is read.

    Returns:
        headline {metric: value} over all classes; metrics {class: {metric: {value, low, high}}}; counts, confusion, curves,
        groups, gaps, worst, notes, what was set, and the verdict {text, good}.

    Raises:
        InputError: labels are missing altogether, probabilities are none, an unknown group or kind.
    """
    names, targets, scores = predictions.names, predictions.targets, predictions.probabilities
    if np.isnan(targets).all():
        raise InputError("predictions", "have no labels", "Add columns label_<class> with 0 or 1", code="no-labels")
    if count := int((unlabelled := np.isnan(targets).all(axis=1)).sum()):
        rest = evaluate_classification(
            predictions.rows(~unlabelled), thresholds, groups, replicates, seed, kind, specificity
        )
        return {**rest, "notes": [f"{counted(count, 'image')} without any label {be(count)} left out", *rest["notes"]]}
    kind = guess_kind(targets) if kind == "auto" else kind
    targets, scores = check(targets, scores, kind, names)
    bootstrap = PatientBootstrap(predictions.patients, replicates, seed)

    def measure(rows: np.ndarray, averaged: Sequence[str] = names):
        parts = targets[rows], scores[rows], kind, names, thresholds, specificity
        statistic = ClassificationMetrics(*parts, averaged)
        return statistic.keys, statistic, carriers_of(statistic.keys, targets, rows, names, bootstrap), statistic.parts

    keys, statistic, carriers, parts = measure(np.arange(len(targets)))
    resampled = bootstrap.resample(statistic)
    intervals = hold_back(resampled.intervals(carriers), ~np.isnan(resampled.values), parts)
    metrics = nested(keys, intervals)
    table, gaps, notes = Rows(), Rows(), list[str]()
    for asked in groups:
        grouping = group_by(asked, predictions.attributes)
        averaged, note = _in_all_groups(grouping, targets, names)
        found = evaluate_groups(grouping, bootstrap, partial(measure, averaged=averaged))
        table, gaps, notes = table + found[0], gaps + found[1], notes + note
    counts = {name: _counts(targets[:, n], predictions.patients) for n, name in enumerate(names)}
    evaluation = {
        "task": "classification", "kind": kind, "classes": list(names),
        "images": len(predictions), "patients": bootstrap.patients,
        "headline": {metric: row["value"] for metric, row in metrics[MEAN if MEAN in metrics else names[0]].items()},
        "metrics": metrics, "counts": counts, "specificity": specificity,
        "thresholds": {name: float((thresholds or {}).get(name, 0.5)) for name in names} if kind != "multi-class" else {},
        "confusion": _confusion(targets, scores, kind, names, thresholds),
        "curves": {name: _curves(targets[:, n], scores[:, n]) for n, name in enumerate(names)},
        "groups": table, "gaps": gaps, "worst": _worst(predictions, targets, scores),
        "notes": _notes(counts, kind, thresholds, bootstrap.patients) + notes,
        "intervals": METHOD.format(replicates=replicates), "replicates": replicates, "seed": seed,
    }  # fmt: skip
    whole = intervals[keys.index((MEAN if MEAN in metrics else names[0], "auc"))]
    return evaluation | {"verdict": of_classification(evaluation, whole).as_dict()}


def evaluate_segmentation(
    cases: Sequence[Mapping[str, Any]], groups: Sequence[str] = (), replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Metrics with intervals, of each class and their mean, per group, with volumes and worst cases.

    Args:
        cases: rows of `tables.read_cases`, a row "mean" per image among them.
        groups: see `subgroups.group_by`.
        replicates, seed: of the bootstrap.

    Returns:
        headline {metric: value}, the means over images of each image's mean over classes; metrics {class: {metric: {value,
        low, high}}}; counts, cases (the values, for plots), volumes, groups, gaps, worst, notes, what was set, and the verdict
        {text, good}.

    Raises:
        InputError: no case, or an unknown group.
    """
    table = CaseTable(cases)
    bootstrap = PatientBootstrap(table.patients, replicates, seed)

    def measure(rows: np.ndarray):
        part = table.rows(rows)
        carriers = np.array([bootstrap.patients_among(rows[known]) for known in part.known])
        return part.keys, part.statistic, carriers, {}  # a mean is of each image, not of the classes' means

    keys, statistic, carriers, _ = measure(np.arange(len(table.images)))
    intervals = bootstrap.resample(statistic).intervals(carriers)
    metrics = nested(keys, intervals)
    rows: Rows = []
    gaps: Rows = []
    for asked in groups:
        found = evaluate_groups(group_by(asked, table.attributes), bootstrap, measure)
        rows, gaps = rows + found[0], gaps + found[1]
    evaluation = {
        "task": "segmentation", "classes": table.classes, "images": len(table.images), "patients": bootstrap.patients,
        "headline": {metric: metrics[MEAN][metric]["value"] for metric in segmentation.METRICS},
        "metrics": metrics, "counts": table.counts(), "one_map": table.one_map(), "cases": table.values(), "volumes": table.volumes(),
        "groups": rows, "gaps": gaps, "worst": table.worst(WORST), "notes": table.notes(),
        "intervals": METHOD.format(replicates=replicates), "replicates": replicates, "seed": seed,
    }  # fmt: skip
    return evaluation | {"verdict": of_segmentation(evaluation, intervals[keys.index((MEAN, "dice"))]).as_dict()}


def guess_kind(targets: np.ndarray) -> str:
    """binary for one column, multi-class where each row that has labels has all, and one 1 among them, else multi-label."""
    if targets.shape[1] == 1:
        return "binary"
    labelled = targets[~np.isnan(targets).all(axis=1)]
    return "multi-class" if (labelled.sum(axis=1) == 1).all() else "multi-label"


def nested(keys: Sequence[tuple[str, str]], intervals: Sequence[Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """class -> metric -> {value, low, high}."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for (name, metric), bounds in zip(keys, intervals):
        out.setdefault(name, {})[metric] = bounds.as_dict()
    return out


def _in_all_groups(grouping: Grouping, targets: np.ndarray, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The classes with positive and negative images in every group, and a note where they are not all.

    Means over different classes would differ between groups for that reason alone. Where no class is left, all count.
    """
    parts = [targets[rows] for rows in grouping.members]
    both = [all((part[:, n] >= 0.5).any() and (part[:, n] < 0.5).any() for part in parts) for n in range(len(names))]
    averaged = [name for name, there in zip(names, both) if there]
    if not averaged or len(averaged) == len(names):
        return list(names), []
    text = f"{grouping.attribute}: means of groups are over the {len(averaged)} classes with both kinds of images in each group"
    return averaged, [text]


def carriers_of(
    keys: Sequence[tuple[str, str]],
    targets: np.ndarray,
    rows: np.ndarray,
    names: Sequence[str],
    bootstrap: PatientBootstrap,
) -> np.ndarray:
    """On how many patients does each metric rest? A sensitivity on those with the finding, an AUC on the fewer kind."""
    counts = {}
    for n, name in enumerate(names):
        part = targets[rows, n]
        positive, negative, known = (
            bootstrap.patients_among(rows[m]) for m in (part >= 0.5, part < 0.5, ~np.isnan(part))
        )
        counts[name] = {metric: positive for metric in OF_POSITIVES} | {"specificity": negative}
        counts[name] |= {metric: min(positive, negative) for metric in OF_BOTH} | {"known": known}
    everyone = bootstrap.patients_among(rows)
    return np.array(
        [everyone if name == MEAN else counts[name].get(metric, counts[name]["known"]) for name, metric in keys]
    )


def _counts(targets: np.ndarray, patients: Sequence[str]) -> dict[str, int]:
    positive, negative = targets >= 0.5, targets < 0.5
    people = np.asarray(patients)
    return {
        "positives": int(positive.sum()),
        "negatives": int(negative.sum()),
        "unknown": int(np.isnan(targets).sum()),
        "positive_patients": len(np.unique(people[positive])),
        "negative_patients": len(np.unique(people[negative])),
    }


def _confusion(
    targets: np.ndarray,
    scores: np.ndarray,
    kind: str,
    names: Sequence[str],
    thresholds: Mapping[str, float] | None,
) -> dict[str, Any]:
    """{"table": rows true, columns called} for multi-class, else per class {tp, fp, fn, tn}."""
    if kind == "multi-class":
        return {"table": Confusion(targets, scores).counts(np.ones((1, len(targets))))[0].astype(int).tolist()}
    called = decisions(scores, kind, names, thresholds)
    found = {}
    for n, name in enumerate(names):
        positive, negative = targets[:, n] >= 0.5, targets[:, n] < 0.5
        cells = {
            "tp": positive & called[:, n], "fp": negative & called[:, n],
            "fn": positive & ~called[:, n], "tn": negative & ~called[:, n],
        }  # fmt: skip
        found[name] = {cell: int(chosen.sum()) for cell, chosen in cells.items()}
    return found


def _curves(targets: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    known = ~np.isnan(targets)
    truth = targets[known] >= 0.5
    if truth.all() or not truth.any():
        return {}
    fpr, tpr, _ = roc_curve(truth, scores[known])
    precision, recall, _ = precision_recall_curve(truth, scores[known])
    return {
        "roc": {"false_positive_rate": _thin(fpr), "sensitivity": _thin(tpr)},
        "precision_recall": {"recall": _thin(recall), "precision": _thin(precision)},
        "reliability": reliability(targets, scores),
    }


def _thin(values: np.ndarray) -> list[float]:
    """At most `POINTS` of them, the first and the last included."""
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).round().astype(int))
    return [float(value) for value in values[places]]


def _worst(predictions: Predictions, targets: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """Where the probability is furthest from the truth, at most one class an image."""
    distance = np.nan_to_num(np.abs((targets >= 0.5) - scores) * np.where(np.isnan(targets), np.nan, 1), nan=-1.0)
    worst = distance.argmax(axis=1)
    order = np.argsort(-distance.max(axis=1), kind="stable")[:WORST]
    return [
        {
            "image": predictions.images[n],
            "patient": predictions.patients[n],
            "class": predictions.names[worst[n]],
            "label": int(targets[n, worst[n]] >= 0.5),
            "probability": float(scores[n, worst[n]]),
        }
        for n in order
        if distance[n, worst[n]] >= 0
    ]


def _notes(counts: Mapping[str, Mapping[str, int]], kind: str, thresholds: Mapping[str, float] | None, patients: int):
    notes = []
    for name, row in counts.items():
        if not row["positives"] and not row["negatives"]:
            notes.append(
                f"{name}: no image here has a known label of it, so that it has no numbers; means leave it out"
            )
        elif not row["positives"] or not row["negatives"]:
            value = "no positive" if not row["positives"] else "no negative"
            notes.append(f"{name}: {value} image among these, so that AUC and the like are unknown")
        elif min(row["positive_patients"], row["negative_patients"]) < 5:
            mean = ", nor of a mean over classes" if len(counts) > 1 else ""
            notes.append(f"{name}: under 5 patients of one kind, so that no interval can be given{mean}")
    if kind != "multi-class" and not thresholds:
        notes.append("Thresholds are 0.5: none were chosen on validation images")
    if patients < 5:
        notes.append(f"{counted(patients, 'patient')} {be(patients)} too few for intervals")
    return notes
