"""Free-response ROC against hand-made cases and a literal version."""

from __future__ import annotations

import numpy as np
import pytest

from medssl.evaluation.metrics.froc import RATES, FrocCurve, Matches, match


def made(candidates: list[tuple], nodules: list[tuple], scans: int) -> Matches:
    """Candidates (scan, x, score) and nodules (scan, x, radius, irrelevant) along one line."""
    c, n = np.array(candidates, float).reshape(-1, 3), np.array(nodules, float).reshape(-1, 4)
    line = np.array([[1.0, 0.0, 0.0]])
    return match(
        c[:, 0].astype(int),
        c[:, 1:2] * line,
        c[:, 2],
        n[:, 0].astype(int),
        n[:, 1:2] * line,
        n[:, 2],
        n[:, 3] > 0,
        scans,
    )


def test_hits_are_within_the_radius_and_one_counts_for_each_nodule():
    found = made(
        [(0, 5.0, 0.4), (0, 3.0, 0.9), (0, 5.01, 0.8), (1, 0.0, 0.7), (1, 50.0, 0.6), (2, 0.0, 0.5)],
        [(0, 0.0, 5.0, 0), (1, 50.0, 2.0, 1), (1, 90.0, 3.0, 0)],
        4,
    )
    assert found.nodule_scores.tolist() == [0.9, -np.inf]
    assert (found.repeated, found.ignored) == (1, 1)  # the further hit, and that of the irrelevant finding
    assert sorted(found.false_scores.tolist()) == [0.5, 0.7, 0.8]  # beyond the radius, and in scans without nodules
    false, hits = FrocCurve(found).points()
    assert false.tolist() == [0.0, 0.0, 0.25, 0.5, 0.75] and hits.tolist() == [0.0, 0.5, 0.5, 0.5, 0.5]


def test_a_candidate_in_two_nodules_belongs_to_the_relevant_one_then_to_the_nearest():
    found = made([(0, 2.0, 0.9)], [(0, 0.0, 5.0, 0), (0, 3.0, 5.0, 0), (0, 2.0, 5.0, 1)], 1)
    assert found.nodule_scores.tolist() == [-np.inf, 0.9] and found.ignored == 0


def test_sensitivities_by_hand():
    """Eight scans, four nodules; by falling score: hit, false, hit, false, hit, false x 8; one nodule is missed."""
    nodules = [(scan, 0.0, 5.0, 0) for scan in range(4)]
    candidates = [(0, 0, 0.95), (7, 0, 0.9), (1, 0, 0.85), (6, 0, 0.8), (2, 0, 0.75)]
    candidates += [(5, 20.0 * n, 0.5 - n / 100) for n in range(8)]
    curve = FrocCurve(made(candidates, nodules, 8))
    # points: (0, 0.25), (0.125, 0.25 -> 0.5), (0.25, 0.5 -> 0.75), ... (1.25, 0.75)
    assert curve.sensitivities(np.array(RATES)).tolist() == [0.5] + [0.75] * 6
    assert curve.sensitivities(np.array([0.0, 0.0625, 0.1875])).tolist() == [0.25, 0.375, 0.625]  # linear between
    assert curve.statistic(np.ones((1, 8)))[0].tolist() == pytest.approx([0.5] + [0.75] * 6 + [5.0 / 7])


def test_equal_scores_enter_together_and_their_order_means_nothing():
    nodules, same = [(0, 0.0, 5.0, 0)], [(0, 0.0, 0.5), (0, 50.0, 0.5)]
    for candidates in (same, same[::-1]):
        false, hits = FrocCurve(made(candidates, nodules, 1)).points()
        assert (false.tolist(), hits.tolist()) == ([0.0, 1.0], [0.0, 1.0])


def literal(candidates: list[tuple], nodules: list[tuple], scans: int, rate: float) -> float:
    """Sensitivity read off a curve made threshold by threshold."""
    points = [(0.0, 0.0)]
    for threshold in sorted({score for _, _, score in candidates}, reverse=True):
        hit, false = set(), 0
        for scan, x, score in candidates:
            if score >= threshold:
                inside = [
                    (abs(x - at), n)
                    for n, (where, at, r, _) in enumerate(nodules)
                    if where == scan and abs(x - at) <= r
                ]
                hit |= {min(inside)[1]} if inside else set()
                false += not inside
        points.append((false / scans, len(hit) / len(nodules)))
    below = max(p for p in points if p[0] <= rate)
    above = [p for p in points if p[0] > rate]
    if not above:
        return below[1]
    x, y = above[0]
    return below[1] + (y - below[1]) * (rate - below[0]) / (x - below[0])


@pytest.mark.parametrize("seed", range(5))
def test_curves_are_those_of_a_literal_version_also_with_scans_that_count_twice(seed: int):
    rng = np.random.default_rng(seed)
    nodules = [(scan, float(at), float(rng.uniform(3, 8)), 0) for scan in range(4) for at in rng.uniform(0, 100, 3)]
    candidates = [(int(rng.integers(6)), float(rng.uniform(0, 100)), float(rng.integers(8)) / 8) for _ in range(40)]
    curve = FrocCurve(made(candidates, nodules, 6))
    found = curve.sensitivities(np.array(RATES))
    assert found.tolist() == pytest.approx([literal(candidates, nodules, 6, rate) for rate in RATES])
    chosen = [0, 0, 1, 3, 5, 5]  # as a bootstrap draws scans
    renamed = [(n, *row[1:]) for n, scan in enumerate(chosen) for row in candidates if row[0] == scan]
    twice = [(n, *row[1:]) for n, scan in enumerate(chosen) for row in nodules if row[0] == scan]
    weighted = curve.sensitivities(np.array(RATES), np.bincount(chosen, minlength=6).astype(float))
    assert weighted.tolist() == pytest.approx([literal(renamed, twice, 6, rate) for rate in RATES])
    without = curve.sensitivities(np.array(RATES), np.array([0.0, 0, 0, 0, 1, 1]))
    assert np.isnan(without).all()
