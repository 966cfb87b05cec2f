"""Variance of the area under the ROC curve, and differences of two areas on the same images, by formula.

DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic
curves: a nonparametric approach", Biometrics 44, 1988; with several images per patient Obuchowski, "Nonparametric analysis of
clustered ROC curve data", Biometrics 53, 1997.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from medssl.core.errors import InputError
from medssl.evaluation.statistics.interval import FEWEST, Interval, Test
from medssl.evaluation.statistics.resampled import TAIL


def delong(
    targets: np.ndarray, scores: np.ndarray, patients: Sequence[str] | np.ndarray | None = None
) -> tuple[float, float]:
    """Area under the ROC curve and its variance.

    Args:
        targets: (N,) 0 or 1, nan where unknown.
        scores: (N,).
        patients: of each image, where some have several: these count as one.

    Raises:
        InputError: targets of one kind only.
    """
    areas, covariance = _areas(targets, np.asarray(scores, float)[None], patients)
    return float(areas[0]), float(covariance[0, 0])


def delong_interval(
    targets: np.ndarray, scores: np.ndarray, patients: Sequence[str] | np.ndarray | None = None
) -> Interval:
    """The area with its 95 % interval, normal on the scale of the logit, so that it stays below 1.

    None for the bounds of an area of 0 or 1, and for fewer than 5 patients of one kind.

    Raises:
        InputError: targets of one kind only.
    """
    area, variance = delong(targets, scores, patients)
    if variance <= 0 or not 0 < area < 1 or _fewest(targets, patients) < FEWEST:
        return Interval(area, None, None)
    spread = stats.norm.ppf(1 - TAIL) * np.sqrt(variance) / (area * (1 - area))
    low, high = special.expit(special.logit(area) + np.array([-spread, spread]))
    return Interval(area, float(low), float(high))


def delong_test(
    targets: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    patients: Sequence[str] | np.ndarray | None = None,
) -> Test:
    """The difference of the areas of two scores of the same images, first - second, with interval and p-value.

    None for both where the difference does not vary, and for fewer than 5 patients of one kind.

    Raises:
        InputError: targets of one kind only.
    """
    areas, covariance = _areas(targets, np.stack([first, second]).astype(float), patients)
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    same = variance <= 1e-15  # the same order of all images, as far as the areas go
    if same or _fewest(targets, patients) < FEWEST:
        return Test("DeLong", difference, None, None, None)
    error = np.sqrt(variance)
    spread = float(stats.norm.ppf(1 - TAIL) * error)
    p = float(2 * stats.norm.sf(abs(difference) / error))
    return Test("DeLong", difference, difference - spread, difference + spread, p)


def _areas(
    targets: np.ndarray, scores: np.ndarray, patients: Sequence[str] | np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Areas (S,) and their covariance (S, S) of scores (S, N).

    Each positive has a placement (the share of negatives that score lower, ties half), each negative the share of positives
    that score higher. Their means are the area; their spread between patients is its variance.
    """
    targets = np.asarray(targets, float)
    known = ~np.isnan(targets)
    truth, scores = targets[known] >= 0.5, scores[:, known]
    if truth.all() or not truth.any():
        raise InputError(
            f"{len(truth)} labels",
            "are all of one kind",
            "An AUC needs positive and negative images",
            code="one-class-only",
        )
    own = np.arange(len(targets)) if patients is None else np.asarray(patients)
    patient = np.unique(own[known], return_inverse=True)[1]
    high, low = scores[:, truth], scores[:, ~truth]
    ranks = stats.rankdata(scores, axis=1)
    of_positives = (ranks[:, truth] - stats.rankdata(high, axis=1)) / low.shape[1]
    of_negatives = 1 - (ranks[:, ~truth] - stats.rankdata(low, axis=1)) / high.shape[1]
    areas = of_positives.mean(axis=1)
    by_positive, some = _by_patient(of_positives - areas[:, None], patient[truth], patient.max() + 1)
    by_negative, others = _by_patient(of_negatives - areas[:, None], patient[~truth], patient.max() + 1)
    m, n, everyone = high.shape[1], low.shape[1], patient.max() + 1
    mixed = by_positive @ by_negative.T * everyone / max(everyone - 1, 1)
    covariance = (
        by_positive @ by_positive.T * some / max(some - 1, 1) / m**2
        + by_negative @ by_negative.T * others / max(others - 1, 1) / n**2
        + (mixed + mixed.T) / (m * n)
    )
    return areas, covariance


def _by_patient(values: np.ndarray, patient: np.ndarray, patients: int) -> tuple[np.ndarray, int]:
    """(S, images) to sums (S, patients), and how many patients there are among the images."""
    sums = np.stack([np.bincount(patient, row, minlength=patients) for row in values])
    return sums, len(np.unique(patient))


def _fewest(targets: np.ndarray, patients: Sequence[str] | np.ndarray | None) -> int:
    """The number of patients with positive images or of those with negative ones, whichever is less."""
    targets = np.asarray(targets, float)
    own = np.arange(len(targets)) if patients is None else np.asarray(patients)
    return min(len(np.unique(own[targets >= 0.5])), len(np.unique(own[targets < 0.5])))
