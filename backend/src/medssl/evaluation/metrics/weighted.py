"""Metrics of one class under many weightings of the same cases at once: what a bootstrap needs, without a loop.

A weighting says how often each case counts; with every weight 1 these are the usual metrics.
"""

from __future__ import annotations

import numpy as np

METRICS = (
    "auc", "average_precision", "accuracy", "mcc", "f1", "sensitivity", "specificity", "sensitivity_at_specificity",
    "brier", "ece",
)  # fmt: skip
BINS = 10  # of equal width, for the expected calibration error
TINY = 1e-300


class ScoredClass:
    """The cases of one class, sorted by score once.

    Args:
        truth: (n,) bool.
        probabilities: (n,).
        decided: (n,) bool, which cases are called positive.
        specificity: at which `sensitivity_at_specificity` is read, of the cuts that reach it.
    """

    def __init__(self, truth: np.ndarray, probabilities: np.ndarray, decided: np.ndarray, specificity: float) -> None:
        self._order = np.argsort(-probabilities, kind="stable")
        ordered = probabilities[self._order]
        ends = np.append(np.diff(ordered) != 0, True)[: len(ordered)]  # no case, no cut: every metric is nan then
        self._last = np.flatnonzero(ends)  # of each run of equal scores
        self._truth = truth[self._order].astype(float)
        self._specificity = specificity
        self._cells = np.stack([truth & decided, ~truth & decided, truth & ~decided, ~truth & ~decided], axis=1).astype(
            float
        )
        self._squares = (probabilities - truth) ** 2
        bins = np.clip((probabilities * BINS).astype(int), 0, BINS - 1)
        self._gaps = np.zeros((len(truth), BINS))
        self._gaps[np.arange(len(truth)), bins] = probabilities - truth

    def metrics(self, weights: np.ndarray) -> np.ndarray:
        """(weightings, n) to (weightings, metrics) in the order of `METRICS`; nan where a metric has no meaning."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ranked = self._ranked(weights)
            decided = self._decided(weights)
            total = weights.sum(axis=1)
            brier = weights @ self._squares / total
            ece = np.abs(weights @ self._gaps).sum(axis=1) / total
        return np.stack([*ranked[:2], *decided, ranked[2], brier, ece], axis=1)

    def auc(self, weights: np.ndarray) -> np.ndarray:
        """(weightings, n) to the areas under the ROC curves, (weightings,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return _area(*self._counts(weights))

    def _counts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives above each cut, (weightings, cuts), the first cut above all scores."""
        weights = weights[:, self._order]
        true = np.zeros((len(weights), len(self._last) + 1))
        every = np.zeros_like(true)
        true[:, 1:] = np.cumsum(weights * self._truth, axis=1)[:, self._last]
        every[:, 1:] = np.cumsum(weights, axis=1)[:, self._last]
        return true, every - true

    def _ranked(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        true, false = self._counts(weights)
        positives, negatives = true[:, -1], false[:, -1]
        precision = true[:, 1:] / np.maximum(true[:, 1:] + false[:, 1:], TINY)
        average = np.einsum("rk,rk->r", np.diff(true, axis=1), precision) / positives
        allowed = false <= (1 - self._specificity + 1e-12) * negatives[:, None]
        reached = np.where(negatives > 0, np.max(true, axis=1, where=allowed, initial=0) / positives, np.nan)
        return _area(true, false), np.where(negatives > 0, average, np.nan), reached

    def _decided(self, weights: np.ndarray) -> list[np.ndarray]:
        tp, fp, fn, tn = (weights @ self._cells).T
        mixed = (tp + fn > 0) & (tn + fp > 0)
        spread = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        mcc = np.where(spread > 0, (tp * tn - fp * fn) / np.maximum(spread, TINY), 0.0)
        return [
            (tp + tn) / (tp + fp + fn + tn),
            np.where(mixed, mcc, np.nan),
            np.where(tp + fn > 0, 2 * tp / (2 * tp + fp + fn), np.nan),
            tp / (tp + fn),
            tn / (tn + fp),
        ]


def confusion_mcc(counts: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient of confusion tables (weightings, true, called), for any number of classes.

    Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", Computational Biology and
    Chemistry 28, 2004.
    """
    total, right = counts.sum(axis=(1, 2)), np.trace(counts, axis1=1, axis2=2)
    true, called = counts.sum(axis=2), counts.sum(axis=1)
    covariance = right * total - (true * called).sum(axis=1)
    spread = np.sqrt((total**2 - (called**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1)))
    return np.where(spread > 0, covariance / np.maximum(spread, TINY), 0.0)


def _area(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Area under the ROC curve by trapezia, which count ties half."""
    twice = np.einsum("rk,rk->r", np.diff(false, axis=1), true[:, 1:] + true[:, :-1])
    return twice / (2 * true[:, -1] * false[:, -1])
