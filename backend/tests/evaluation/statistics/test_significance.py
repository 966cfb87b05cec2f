from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from scipy import stats

from medssl.evaluation.statistics.bootstrap import PatientBootstrap
from medssl.evaluation.statistics.significance import holm, independent_t, paired_t

FIRST, SECOND = np.random.default_rng(0).normal([[0.82], [0.80]], 0.02, (2, 10))


def test_t_tests_equal_scipys():
    ours, theirs = independent_t(FIRST, SECOND), stats.ttest_ind(FIRST, SECOND)
    assert ours.p == pytest.approx(theirs.pvalue) and ours.difference == pytest.approx(FIRST.mean() - SECOND.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval()))
    ours, theirs = paired_t(FIRST, SECOND), stats.ttest_rel(FIRST, SECOND)
    assert ours.p == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_runs_without_any_spread_cannot_be_told_apart():
    for test in (independent_t, paired_t):
        found = test([0.8, 0.8, 0.8], [0.7, 0.7, 0.7])
        assert found.difference == pytest.approx(0.1) and found.p is found.low is None


def test_too_few_runs():
    with refused("too-few-values", names="1 and 2 values"):
        independent_t([0.8], [0.7, 0.6])
    with refused("values-not-paired", names="2 and 3 values"):
        paired_t([0.8, 0.9], [0.7, 0.6, 0.5])


def test_paired_bootstrap_sees_what_an_unpaired_test_does_not():
    difficulty = np.random.default_rng(0).uniform(0.5, 0.9, 40)
    better = difficulty + np.random.default_rng(1).normal(0.01, 0.01, 40)
    test = PatientBootstrap(np.arange(40) // 2, 2000, 0).mean_difference(better, difficulty)
    assert test.p < 0.01 < independent_t(better, difficulty).p and test.low > 0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.02, None, 0.01]) == [pytest.approx(0.02), None, pytest.approx(0.02)]
    assert holm([]) == [] and holm([None]) == [None]
