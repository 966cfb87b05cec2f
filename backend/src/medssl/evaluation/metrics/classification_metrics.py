"""Metrics of classification, of each class and over all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from medssl.core.errors import InputError
from medssl.evaluation.metrics.weighted import METRICS, ScoredClass, confusion_mcc

KINDS = ("binary", "multi-class", "multi-label")
MEAN = "mean"
OF_THE_TABLE = ("accuracy", "mcc")  # of a multi-class task, no means over its classes
THRESHOLD = 0.5


class ClassificationMetrics:
    """All metrics of all classes as a function of how often each image counts.

    Binary and multi-label classes are called where the probability reaches their threshold, multi-class images by their
    largest probability. Soft targets count as what they are nearer to. The mean over classes takes those where the metric
    has a meaning; of a multi-class task accuracy and MCC are those of the whole table.

    Args:
        targets: (N, C) in 0...1, nan where unknown; one column a class (binary: C = 1), one 1 a row for multi-class.
        probabilities: (N, C).
        kind: see `KINDS`.
        names: of the classes.
        thresholds: by name; 0.5 where none is given.
        specificity: at which `sensitivity_at_specificity` is read.
        averaged: the classes that the mean is over; None: all.

    Attributes:
        keys: class and metric of each number.
        parts: number of a mean over classes -> the numbers that it is of.

    Raises:
        InputError: shapes that do not fit, an unknown kind, probabilities outside 0...1.
    """

    def __init__(
        self,
        targets: np.ndarray,
        probabilities: np.ndarray,
        kind: str,
        names: Sequence[str],
        thresholds: Mapping[str, float] | None = None,
        specificity: float = 0.9,
        averaged: Sequence[str] | None = None,
    ) -> None:
        targets, probabilities = check(targets, probabilities, kind, names)
        self.keys = [(name, metric) for name in names for metric in METRICS]
        decided = decisions(probabilities, kind, names, thresholds)
        self._classes = []
        for n in range(len(names)):
            known = np.flatnonzero(~np.isnan(targets[:, n]))
            parts = targets[known, n] >= 0.5, probabilities[known, n], decided[known, n]
            self._classes.append((known, ScoredClass(*parts, specificity)))
        self._table = Confusion(targets, probabilities) if kind == "multi-class" else None
        self._averaged = [n for n, name in enumerate(names) if averaged is None or name in averaged]
        if len(names) > 1:
            self.keys += [(MEAN, metric) for metric in METRICS]
        self.parts = {
            n: [m * len(METRICS) + METRICS.index(metric) for m in self._averaged]
            for n, (_, metric) in enumerate(self.keys)
            if n >= len(names) * len(METRICS) and not (self._table and metric in OF_THE_TABLE)
        }

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """(weightings, N) to (weightings, keys)."""
        each = [scored.metrics(weights[:, known]) for known, scored in self._classes]
        if len(each) == 1:
            return each[0]
        mean = mean_over_classes(np.stack([each[n] for n in self._averaged]))
        if self._table:
            counts = self._table.counts(weights)
            with np.errstate(invalid="ignore"):
                mean[:, METRICS.index("accuracy")] = np.trace(counts, axis1=1, axis2=2) / counts.sum(axis=(1, 2))
            mean[:, METRICS.index("mcc")] = confusion_mcc(counts)
        return np.concatenate([*each, mean], axis=1)


class Confusion:
    """Which class was called for which, in a multi-class task."""

    def __init__(self, targets: np.ndarray, probabilities: np.ndarray) -> None:
        self._known = np.flatnonzero(~np.isnan(targets).any(axis=1))
        self._classes = targets.shape[1]
        cell = targets[self._known].argmax(axis=1) * self._classes + probabilities[self._known].argmax(axis=1)
        self._cells = np.eye(self._classes**2)[cell]

    def counts(self, weights: np.ndarray) -> np.ndarray:
        """(weightings, N) to (weightings, true, called)."""
        return (weights[:, self._known] @ self._cells).reshape(-1, self._classes, self._classes)


def classification_metrics(
    targets: np.ndarray,
    probabilities: np.ndarray,
    kind: str,
    names: Sequence[str],
    thresholds: Mapping[str, float] | None = None,
    specificity: float = 0.9,
) -> dict[str, dict[str, float | None]]:
    """class -> metric -> value, and "mean" for several classes; None where a class shows one value only.

    For the arguments see `ClassificationMetrics`.
    """
    metrics = ClassificationMetrics(targets, probabilities, kind, names, thresholds, specificity)
    values = metrics(np.ones((1, len(targets))))[0]
    out: dict[str, dict[str, float | None]] = {}
    for (name, metric), value in zip(metrics.keys, values):
        out.setdefault(name, {})[metric] = float(value) if math.isfinite(value) else None
    return out


def decisions(
    probabilities: np.ndarray, kind: str, names: Sequence[str], thresholds: Mapping[str, float] | None
) -> np.ndarray:
    """(N, C) bool: which classes are called."""
    if kind == "multi-class":
        return np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
    return probabilities >= np.array([(thresholds or {}).get(name, THRESHOLD) for name in names])


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """(classes, weightings, metrics) to their mean over classes, (weightings, metrics), without nan."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)


def check(
    targets: np.ndarray, probabilities: np.ndarray, kind: str, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 (N, C), after checking what `ClassificationMetrics` says of them."""
    targets, probabilities = np.asarray(targets, float), np.asarray(probabilities, float)
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}", "is unknown", f"Use {', '.join(KINDS)}", code="label-kind-unknown")
    if targets.shape != probabilities.shape or targets.shape[1:] != (len(names),):
        shapes = f"targets {targets.shape}, probabilities {probabilities.shape}"
        raise InputError(
            shapes, f"must both be (images, {len(names)})", "Give a column per class", code="shape-mismatch"
        )
    if not len(targets):
        raise InputError("predictions", "hold no image", "Give at least one")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        bad = probabilities[~((probabilities >= 0) & (probabilities <= 1))][0]
        raise InputError(
            f"probability {bad}", "lies outside 0...1", "Give probabilities, not logits", code="not-a-probability"
        )
    return targets, probabilities
