"""The bootstrap by patient: coverage-like properties, pairing, and where nothing can be said."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from medssl.evaluation.landmark_errors import (
    COLUMNS,
    Distances,
    difference_sentence,
    differences,
    is_better,
    landmark_rows,
    landmark_verdict,
)
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


def test_medians_of_replicates_are_exact():
    first, second = pairs(7)
    random = np.random.default_rng(3)
    values = np.round(random.exponential(5, len(first)))  # with ties
    bootstrap = PairBootstrap(first, second, 1)
    found = bootstrap._medians(values)
    places = [np.array([int(name[1:]) for name in side]) for side in (first, second)]
    for replicate in range(0, 2000, 97):
        drawn = bootstrap._drawn[replicate]
        repeated = np.repeat(values, drawn[places[0]] * drawn[places[1]])
        assert found[replicate] == np.median(repeated) if len(repeated) else np.isnan(found[replicate])
    interval = bootstrap.median(values)
    assert interval.value == np.median(values) and interval.low <= interval.value <= interval.high


def test_a_median_is_told_from_another_on_the_same_draws():
    first, second = pairs(12)
    hard = np.random.default_rng(0).uniform(0, 100, len(first))
    difference = PairBootstrap(first, second).median_difference(hard, hard + 1)
    assert (difference.value, difference.low, difference.high) == pytest.approx((-1, -1, -1))


def found_of(**errors: np.ndarray) -> dict[str, Distances]:
    return {
        name.replace("_", " "): Distances(error, error / 4, np.full(len(error), 30.0)) for name, error in errors.items()
    }


def test_differences_are_paired():
    first, second = pairs(10)
    hard = np.random.default_rng(0).uniform(0, 100, len(first))
    rows = differences(found_of(good=hard, bad=hard + 1 + 0.01 * hard), first, second, 0)
    by = {row["measure"]: row for row in rows}
    assert by["mean"]["high"] < 0 and by["mean"]["difference"] == pytest.approx(-1 - 0.01 * hard.mean())
    assert by["median"]["high"] < 0 and -1 < by["mean_clipped"]["difference"] < 0
    assert "good is better than bad by the median" in difference_sentence(by["median"], "mm")
    worse = differences(found_of(bad=hard + 1 + 0.01 * hard, good=hard), first, second, 0)[0]
    assert "bad is worse than good" in difference_sentence(worse, "mm")


def test_words_for_what_cannot_be_held_apart():
    noise = {"model": "a", "than": "b", "measure": "mean", "difference": 0.1, "low": -1.0, "high": 1.2}
    assert "cannot be held apart" in difference_sentence(noise, "mm")
    assert "too few patients" in difference_sentence({**noise, "low": None, "high": None}, "mm")
    more = {**noise, "measure": "within_cell", "difference": 0.2, "low": 0.1, "high": 0.3}
    assert is_better(more) and "+20 points" in difference_sentence(more, "mm"), "of a share, more is better"


def test_a_verdict_names_what_is_better_and_what_is_not():
    first, second = pairs(10)
    random = np.random.default_rng(0)
    near, far = random.uniform(0, 6, len(first)), np.where(np.arange(len(first)) % 5 == 0, 400.0, 0.0)
    found = found_of(mine=near + far, untrained=near + 60, same_coordinates=near + 9)
    images = np.array([(int(a[1:]), int(b[1:])) for a, b in zip(first, second)])
    table = landmark_rows(found, {("all", "all"): np.ones(len(first), bool)}, images, first, second, 0)
    rows = differences(found, first, second, 0)
    verdict = landmark_verdict(table, rows, "mine", ["same coordinates", "untrained"], "mm")
    assert verdict.good is False
    assert "better by median and share within a cell, worse by mean than same coordinates" in verdict.text
    good = landmark_verdict(table, rows, "untrained", ["same coordinates"], "mm")
    assert good.good is False and "untrained is worse by" in good.text
    few = images.max(axis=1) < 3
    some = {name: Distances(one.error[few], one.cells[few], one.limit[few]) for name, one in found.items()}
    table = landmark_rows(some, {("all", "all"): np.ones(few.sum(), bool)}, images[few], first[few], second[few], 0)
    rows = differences(some, first[few], second[few], 0)
    assert landmark_verdict(table, rows, "mine", ["same coordinates"], "mm").good is None


def test_rows_by_hand():
    first, second = pairs(3)
    images = np.array([(int(a[1]), int(b[1])) for a, b in zip(first, second)])
    values = np.array([1.0, 2, 3, 4, 5, 39])
    chosen = np.array([True, True, False, False, True, True])
    (row,) = landmark_rows(found_of(m=values), {("apex", "all"): chosen}, images, first, second, 0)
    assert tuple(row) == COLUMNS and row["median_low"] is None
    assert (row["pairs"], row["patients"], row["mean"], row["median"], row["within_cell"], row["mean_clipped"]) == (
        4, 3, 11.75, 3.5, 0.5, 9.5,
    )  # fmt: skip


def test_medians_of_many_pairs_take_no_time():
    first, second = pairs(60)
    values = np.random.default_rng(0).exponential(size=len(first) * 6)
    bootstrap = PairBootstrap(np.tile(first, 6), np.tile(second, 6))
    begun = time.process_time()
    bootstrap.median(values)
    assert time.process_time() - begun < 5, (
        "21 000 retrievals, 2000 replicates: a third of a second where nothing else runs"
    )
