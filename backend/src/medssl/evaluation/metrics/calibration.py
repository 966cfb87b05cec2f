"""Do probabilities say how often a finding is there? Temperature scaling and reliability curves."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize, special

from medssl.evaluation.metrics.weighted import BINS

COLDEST, HOTTEST = 0.05, 20.0
SMALLEST = 1e-7  # probabilities nearer to 0 or 1 are taken for this


def temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The T for which logits / T have the least cross-entropy; to be chosen on validation images.

    Guo et al., "On calibration of modern neural networks", ICML 2017. The order of scores, and with it AUC, stays. 1 where
    the targets hold one value only; within 0.05...20.

    Args:
        logits: (N,) of one class, or (N, C) of a multi-class task.
        targets: the same shape in 0...1, nan where unknown.
    """
    logits, targets = np.asarray(logits, float), np.asarray(targets, float)
    if logits.ndim == 2:
        known = ~np.isnan(targets).any(axis=1)
        logits, targets = logits[known], targets[known]
        several = np.ptp(targets.argmax(axis=1)) > 0 if len(targets) else False
    else:
        known = ~np.isnan(targets)
        logits, targets = logits[known], targets[known]
        several = len(np.unique(targets >= 0.5)) == 2
    if not several:
        return 1.0
    bounds = np.log(COLDEST), np.log(HOTTEST)
    found = optimize.minimize_scalar(lambda t: _cross_entropy(logits / np.exp(t), targets), bounds, bounds)
    return float(np.exp(found.x))


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Logits of which the sigmoid (or, up to a constant a row, the softmax) gives the probabilities: (N,) or (N, C)."""
    clipped = np.clip(np.asarray(probabilities, float), SMALLEST, 1 - SMALLEST)
    return np.log(clipped) if clipped.ndim == 2 else special.logit(clipped)


def reliability(targets: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """Per bin of the probability (10 of equal width, empty ones left out): mean probability, share of positives, images.

    Args:
        targets: (N,), nan where unknown.
        probabilities: (N,).
    """
    known = ~np.isnan(targets)
    truth, scores = targets[known] >= 0.5, probabilities[known]
    bins = np.clip((scores * BINS).astype(int), 0, BINS - 1)
    return [
        {
            "probability": float(scores[bins == n].mean()),
            "positives": float(truth[bins == n].mean()),
            "images": int(np.count_nonzero(bins == n)),
        }
        for n in np.unique(bins)
    ]


def ece(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error of one class: the mean distance of the reliability curve from the diagonal."""
    bins = reliability(targets, probabilities)
    images = sum(row["images"] for row in bins)
    return sum(abs(row["probability"] - row["positives"]) * row["images"] for row in bins) / images


def brier(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance between probability and truth of one class."""
    return float(np.nanmean((np.asarray(probabilities) - (np.where(np.isnan(targets), np.nan, targets >= 0.5))) ** 2))


def _cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    if logits.ndim == 2:
        return float(-(targets * special.log_softmax(logits, axis=1)).sum(axis=1).mean())
    return float(-(targets * special.log_expit(logits) + (1 - targets) * special.log_expit(-logits)).mean())
