from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from scipy import stats
from sklearn.metrics import roc_auc_score

from medssl.evaluation.statistics.delong import delong, delong_interval, delong_test


def study(seed: int, images: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Targets, two correlated scores with ties, patients of up to three images."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, images // 2, images))
    targets = (rng.random(images) < 0.4).astype(float)
    common = targets + rng.normal(size=images) + 0.7 * rng.normal(size=images)[patient]
    return targets, *(np.round(common + 0.5 * rng.normal(size=images), 1) for _ in range(2)), patient


def literal(targets: np.ndarray, first: np.ndarray, second: np.ndarray, patient: np.ndarray):
    """Areas and covariance by Obuchowski's formulas as printed, with loops over all pairs and patients."""
    kernel = lambda x, y: 1.0 if x > y else 0.5 if x == y else 0.0  # noqa: E731
    positives, negatives = np.flatnonzero(targets == 1), np.flatnonzero(targets == 0)
    m, n = len(positives), len(negatives)
    areas, sums = [], []
    for scores in (first, second):
        v10 = {i: sum(kernel(scores[i], scores[j]) for j in negatives) / n for i in positives}
        v01 = {j: sum(kernel(scores[i], scores[j]) for i in positives) / m for j in negatives}
        area = sum(v10.values()) / m
        areas.append(area)
        of = {}
        for p in sorted(set(patient)):
            x = [v10[i] for i in positives if patient[i] == p]
            y = [v01[j] for j in negatives if patient[j] == p]
            of[p] = (sum(x) - len(x) * area, sum(y) - len(y) * area)
        sums.append(of)
    with_positive, with_negative, all_patients = (
        len(set(group)) for group in (patient[positives], patient[negatives], patient)
    )
    covariance = np.zeros((2, 2))
    for r in range(2):
        for s in range(2):
            s10 = with_positive / ((with_positive - 1) * m) * sum(sums[r][p][0] * sums[s][p][0] for p in sums[r])
            s01 = with_negative / ((with_negative - 1) * n) * sum(sums[r][p][1] * sums[s][p][1] for p in sums[r])
            s11 = all_patients / (all_patients - 1) * sum(sums[r][p][0] * sums[s][p][1] for p in sums[r])
            s11 += all_patients / (all_patients - 1) * sum(sums[s][p][0] * sums[r][p][1] for p in sums[r])
            covariance[r, s] = s10 / m + s01 / n + s11 / (m * n)
    return np.array(areas), covariance


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_literal_formulas(seed, clustered):
    targets, first, second, patient = study(seed)
    patients = patient if clustered else None
    areas, covariance = literal(targets, first, second, patient if clustered else np.arange(len(targets)))
    area, variance = delong(targets, first, patients)
    assert area == pytest.approx(roc_auc_score(targets, first)) == pytest.approx(areas[0])
    assert variance == pytest.approx(covariance[0, 0])
    test = delong_test(targets, first, second, patients)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert test.difference == pytest.approx(areas[0] - areas[1])
    assert test.p == pytest.approx(2 * stats.norm.sf(abs(test.difference) / error))
    assert (test.low, test.high) == pytest.approx(tuple(test.difference + np.array([-1.96, 1.96]) * error), abs=1e-5)


def test_without_clusters_it_is_delongs_variance():
    """Placements' sample variances over their numbers, as Sun and Xu write it (IEEE Signal Processing Letters 21, 2014)."""
    targets, scores, *_ = study(5)
    high, low = scores[targets == 1], scores[targets == 0]
    above = (high[:, None] > low).astype(float) + 0.5 * (high[:, None] == low)
    expected = above.mean(axis=1).var(ddof=1) / len(high) + above.mean(axis=0).var(ddof=1) / len(low)
    assert delong(targets, scores)[1] == pytest.approx(expected)


def test_repeating_every_image_changes_nothing_but_the_name_of_the_images():
    targets, scores, *_ = study(6)
    once = delong(targets, scores)
    twice = delong(np.repeat(targets, 2), np.repeat(scores, 2), np.repeat(np.arange(len(targets)), 2))
    assert twice == pytest.approx(once) and delong(np.repeat(targets, 2), np.repeat(scores, 2))[1] < 0.6 * once[1]


def test_interval_covers_and_test_keeps_its_level():
    area, hits, monitors, studies = 0.85, 0, 0, 1000
    shift = np.sqrt(2) * stats.norm.ppf(area)
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        targets = (np.arange(100) < 35).astype(float)
        common = rng.normal(size=100)
        first, second = (shift * targets + np.sqrt(0.5) * (common + rng.normal(size=100)) for _ in range(2))
        interval = delong_interval(targets, first)
        hits += interval.low < area < interval.high
        monitors += delong_test(targets, first, second).p < 0.05
    assert 0.93 <= hits / studies <= 0.97 and 0.03 <= monitors / studies <= 0.07


def test_odd_cases():
    targets, scores, _, patient = study(0)
    interval = delong_interval(targets, targets * 2)
    assert interval.value == 1 and interval.low is None
    same = delong_test(targets, scores, scores * 2 + 1, patient)
    assert same.difference == 0 and same.p is None
    with_unknown = np.append(targets, np.nan)
    assert delong(with_unknown, np.append(scores, 7.0)) == delong(targets, scores)
    with refused("one-class-only", names="5 labels"):
        delong(np.ones(5), np.arange(5))


def test_few_patients_of_a_kind_have_no_p():
    rng = np.random.default_rng(0)
    targets = np.array([1.0] * 4 + [0.0] * 30)
    few = delong_test(targets, targets + rng.normal(size=34), rng.normal(size=34))
    assert (few.low, few.high, few.p) == (None, None, None) and few.difference > 0
