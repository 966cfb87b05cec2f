"""The crossed bootstrap: against closed forms, and where seeds or patients alone would say too much."""

from __future__ import annotations

import numpy as np
import pytest

from medssl.evaluation.statistics.bootstrap import PatientBootstrap, mean_of
from medssl.evaluation.statistics.crossed import crossed_test
from medssl.evaluation.statistics.resampled import Resampled


def resampled(values: np.ndarray) -> list[Resampled]:
    """Of differences (seeds, patients)."""
    bootstrap = PatientBootstrap(np.arange(values.shape[1]), 2000)
    return [bootstrap.resample(mean_of(row)) for row in values]


def test_its_error_is_that_of_patients_and_of_seeds_together():
    rng = np.random.default_rng(0)
    of_patient, of_seed = rng.normal(0, 0.06, 30), rng.normal(0, 0.02, 6)
    values = 0.03 + of_patient + of_seed[:, None]
    test = crossed_test(resampled(values), 30)
    assert test is not None and test.difference == pytest.approx(values.mean())
    error = np.sqrt(of_patient.var(ddof=1) / 30 + of_seed.var(ddof=1) / 6)
    assert test.high - test.low == pytest.approx(2 * 2.06 * error, rel=0.1)  # about 25 degrees of freedom
    assert (test.low > 0) == (test.p < 0.05)


def test_what_one_of_the_two_calls_certain_may_be_the_luck_of_the_other():
    rng = np.random.default_rng(1)
    lucky_seeds = 0.02 + rng.normal(0, 0.002, (1, 40)) + np.array([[0.05], [-0.05], [0.03]])
    assert crossed_test(resampled(lucky_seeds), 40).p > 0.3
    lucky_patients = 0.02 + rng.normal(0, 0.3, (1, 40)) + np.zeros((5, 1))
    assert crossed_test(resampled(lucky_patients), 40).p > 0.3
    certain = 0.05 + rng.normal(0, 0.02, (1, 40)) + rng.normal(0, 0.005, (5, 1))
    found = crossed_test(resampled(certain), 40)
    assert found.p < 1e-3 and found.low > 0


def test_one_seed_few_patients_or_no_spread_give_no_interval():
    values = np.random.default_rng(2).normal(0.1, 0.1, (3, 8))
    assert crossed_test(resampled(values[:1]), 8) is None
    assert crossed_test(resampled(values), 4).low is None
    same = crossed_test(resampled(np.full((3, 8), 0.25)), 8)
    assert (same.difference, same.low, same.p) == (0.25, None, None)
