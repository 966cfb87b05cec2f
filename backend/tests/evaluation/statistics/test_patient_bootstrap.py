from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medssl.evaluation.metrics.weighted import ScoredClass
from medssl.evaluation.statistics.bootstrap import PatientBootstrap, mean_of
from medssl.evaluation.statistics.resampled import Resampled

IMAGES = 40
PATIENTS = np.array([f"p{n // 2}" for n in range(IMAGES)])


def values(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).beta(9, 2, IMAGES)


def test_weights_and_rows_are_one_thing():
    x, bootstrap = values(), PatientBootstrap(PATIENTS, 300, 1)
    by_rows = bootstrap.interval(lambda rows: float(x[rows].mean()))
    assert tuple(bootstrap.mean(x).as_dict().values()) == pytest.approx(tuple(by_rows.as_dict().values()))
    assert by_rows.low < by_rows.value < by_rows.high
    y = values(1)
    test = bootstrap.difference(lambda rows: x[rows].mean(), lambda rows: y[rows].mean())
    again = bootstrap.mean_difference(x, y)
    assert (again.low, again.high, again.p) == pytest.approx((test.low, test.high, test.p))


def test_patients_stay_together():
    bootstrap = PatientBootstrap(PATIENTS, 50)
    seen = []
    bootstrap.resample(lambda weights: seen.append(weights) or weights[:, :1])
    every = np.concatenate(seen)
    assert np.array_equal(every[:, ::2], every[:, 1::2]) and set(every[1:51].sum(axis=1)) <= set(range(IMAGES + 1))


def test_a_patients_images_count_as_one():
    own = np.random.default_rng(0).normal(size=20)
    twice = PatientBootstrap(PATIENTS, 1000).mean(np.repeat(own, 2))
    naive = PatientBootstrap(np.arange(IMAGES), 1000).mean(np.repeat(own, 2))
    assert twice.high - twice.low > 1.25 * (naive.high - naive.low)


def test_interval_equals_scipys_bca_where_patients_are_many():
    x = np.random.default_rng(0).gamma(2, size=400)
    ours = PatientBootstrap(np.arange(400), 8000, 0).mean(x)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=8000, method="BCa", rng=np.random.default_rng(1))
    width = ours.high - ours.low
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.03 * width)


def test_interval_of_few_normal_values_is_students():
    x = np.random.default_rng(3).normal(size=12)
    ours = PatientBootstrap(np.arange(12), 20000, 0).mean(x)
    student = stats.t.interval(0.95, 11, x.mean(), stats.sem(x))
    assert ours.high - ours.low == pytest.approx(student[1] - student[0], rel=0.08)


def test_p_value_is_the_level_at_which_the_interval_touches_zero():
    for seed in range(30):
        x = np.random.default_rng(seed).normal(0.35, 1, 30)
        test = PatientBootstrap(np.arange(30), 4000, seed).mean_difference(x, np.zeros(30))
        assert (test.p < 0.05) == (test.low > 0 or test.high < 0) or abs(test.p - 0.05) < 0.004
        mirrored = PatientBootstrap(np.arange(30), 4000, seed).mean_difference(np.zeros(30), x)
        assert mirrored.p == pytest.approx(test.p) and mirrored.low == pytest.approx(-test.high)


def test_what_resampling_cannot_tell():
    few = PatientBootstrap([0, 0, 1, 1, 2], 200).mean(np.arange(5.0))
    assert few.value == 2 and few.low is few.high is None
    equal = PatientBootstrap(np.arange(20), 200).mean(np.ones(20))
    assert equal.value == 1 and equal.low is None
    nothing = PatientBootstrap(np.arange(20), 200).mean(np.full(20, np.nan))
    assert nothing.value is nothing.low is None
    same = PatientBootstrap(np.arange(20), 200).mean_difference(np.arange(20.0), np.arange(20.0))
    assert same.difference == 0 and same.p is None


def test_unknown_values_are_left_out():
    x = values()
    x[::5] = np.nan
    interval = PatientBootstrap(PATIENTS, 300).mean(x)
    assert interval.value == pytest.approx(np.nanmean(x)) and interval.low < interval.value < interval.high


def test_extreme_shapes_stay_within_the_replicates():
    replicates = np.random.default_rng(0).exponential(size=(500, 1)) ** 4
    odd = Resampled(np.array([0.0]), replicates, np.array([[0.0], [0.0], [0.0], [0.0], [90.0]]))
    (interval,), (test,) = odd.intervals([5]), odd.tests([5])
    assert replicates.min() <= interval.low <= interval.high <= replicates.max() and 0 <= test.p <= 1


def test_interval_of_mean_dice_covers_the_truth():
    """Skewed values, up to four images a patient: nominal 95 %."""
    hits = [0, 0]
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(25), rng.integers(1, 5, 25))
        dice = 0.7 * rng.beta(9, 1.5, 25)[patient] + 0.3 * rng.beta(9, 1.5, len(patient))
        resampled = PatientBootstrap(patient, 500, seed).resample(mean_of(dice))
        interval = resampled.intervals([25])[0]
        hits[0] += interval.low < 9 / 10.5 < interval.high
        low, high = np.percentile(resampled.replicates, [2.5, 97.5])
        hits[1] += low < 9 / 10.5 < high
    assert 0.93 <= hits[0] / 1000 <= 0.97 and hits[1] < hits[0]


@pytest.mark.parametrize("images, area", [(1, 0.8), (3, 0.9)])
def test_interval_of_auc_covers_the_truth(images, area):
    hits = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(80), rng.integers(1, images + 1, 80))
        truth = rng.random(len(patient)) < 0.3
        own = np.sqrt(0.5) * rng.normal(size=80)[patient] if images > 1 else 0
        noise = rng.normal(size=len(patient)) * (np.sqrt(0.5) if images > 1 else 1)
        scores = stats.norm.cdf((np.sqrt(2) * stats.norm.ppf(area) * truth + own + noise) / 3)
        scored = ScoredClass(truth, scores, truth, 0.9)
        bootstrap = PatientBootstrap(patient, 500, seed)
        resampled = bootstrap.resample(lambda weights, s=scored: s.auc(weights)[:, None])
        interval = resampled.intervals([bootstrap.patients_among(truth)])[0]
        hits += interval.low < area < interval.high
    assert 0.93 <= hits / 400 <= 0.97


def test_equal_models_are_rarely_told_apart():
    """Two scores of the same true AUC on the same images: nominal 5 % false alarms."""
    monitors = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        truth, common = np.arange(60) < 20, rng.normal(size=60)
        first, second = (
            ScoredClass(truth, stats.norm.cdf((1.4 * truth + 0.7 * (common + rng.normal(size=60))) / 3), truth, 0.9)
            for _ in range(2)
        )
        difference = PatientBootstrap(np.arange(60), 500, seed).resample(
            lambda weights, a=first, b=second: (a.auc(weights) - b.auc(weights))[:, None]
        )
        monitors += difference.tests([20])[0].p < 0.05
    assert 0.03 <= monitors / 400 <= 0.07
