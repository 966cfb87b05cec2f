"""The bootstrap by patient: coverage-like properties, pairing, and where nothing can be said."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from medssl.evaluation.landmark_errors import difference, difference_sentence, landmark_rows
from medssl.evaluation.statistics.pair_bootstrap import PairBootstrap


def pairs(patients: int) -> tuple[np.ndarray, np.ndarray]:
    found = np.array([(a, b) for a, b in itertools.permutations(range(patients), 2)])
    names = np.array([f"p{n}" for n in range(patients)])
    return names[found[:, 0]], names[found[:, 1]]


def test_equal_values_have_no_interval_width():
    first, second = pairs(8)
    interval = PairBootstrap(first, second).mean(np.full(len(first), 3.0))
    assert (interval.value, interval.low, interval.high) == pytest.approx((3, 3, 3))


def test_a_patients_own_difficulty_widens_the_interval():
    first, second = pairs(20)
    random = np.random.default_rng(0)
    of_patient = {f"p{n}": e for n, e in enumerate(random.normal(size=20))}
    clustered = np.array([of_patient[name] for name in second])
    shuffled = random.permutation(clustered)
    wide, narrow = (PairBootstrap(first, second).mean(values) for values in (clustered, shuffled))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    first, second = pairs(12)
    source, target = (np.array([int(name[1:]) for name in side]) for side in (first, second))
    hits = 0
    for seed in range(100):
        effect = np.random.default_rng(seed).normal(size=(2, 12))
        interval = PairBootstrap(first, second, seed).mean(effect[0][source] + effect[1][target])
        hits += interval.low < 0 < interval.high
    assert 84 <= hits <= 100


def test_few_patients_say_nothing():
    interval = PairBootstrap(*pairs(4)).mean(np.arange(12.0))
    assert interval.value == pytest.approx(5.5) and interval.low is interval.high is None


def test_differences_are_paired():
    first, second = pairs(10)
    hard = np.random.default_rng(0).uniform(0, 100, len(first))
    error = {"good": hard, "bad": hard + 1 + 0.01 * hard}
    row = difference(error, "good", "bad", first, second, 0)
    assert row["high"] < 0 and row["difference"] == pytest.approx(-1 - 0.01 * hard.mean())
    assert "good is better than bad" in difference_sentence(row, "mm")
    assert "bad is worse than good" in difference_sentence(difference(error, "bad", "good", first, second, 0), "mm")


def test_words_for_what_cannot_be_told():
    noise = {"model": "a", "than": "b", "difference": 0.1, "low": -1.0, "high": 1.2}
    assert "cannot be told apart" in difference_sentence(noise, "mm")
    assert "too few patients" in difference_sentence({**noise, "low": None, "high": None}, "mm")


def test_rows_by_hand():
    first, second = pairs(3)
    images = np.array([(int(a[1]), int(b[1])) for a, b in zip(first, second)])
    values = np.array([1.0, 2, 3, 4, 5, 9])
    chosen = np.array([True, True, False, False, True, True])
    (row,) = landmark_rows({"m": values}, {"m": values / 4}, {("apex", "all"): chosen}, images, first, second, 0)
    assert (row["pairs"], row["patients"], row["mean"], row["median"], row["within_cell"]) == (4, 3, 4.25, 3.5, 0.5)
