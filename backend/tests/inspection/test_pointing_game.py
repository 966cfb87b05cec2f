"""Pointing game: hits by hand, controls, an interval against the closed form, and maps that point nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from medssl.evaluation.statistics.proportion import share
from medssl.inspection.saliency.pointing_game import brightest, pointing_game

SHAPE = 20, 30


def disc(row: int, column: int, radius: float = 3.0) -> np.ndarray:
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - row, columns - column) <= radius


def peak(row: int, column: int) -> np.ndarray:
    rows, columns = np.indices(SHAPE)
    return np.exp(-np.hypot(rows - row, columns - column) / 4)


def test_hits_misses_and_both_controls_by_hand():
    regions = [disc(5, 5), disc(10, 15), disc(14, 25)]
    found = pointing_game([peak(5, 6), peak(2, 2), peak(14, 22)], regions)
    assert found.hits == (True, False, True) and found.rate.value == pytest.approx(2 / 3)
    assert found.centre == pytest.approx(1 / 3)  # row 10, column 15
    assert found.random == pytest.approx(np.mean([region.mean() for region in regions]))


def test_tolerance_counts_in_pixels_for_maps_and_controls():
    maps, regions = [peak(5, 10)], [disc(5, 5)]  # 2 pixels beside the region
    near, far = pointing_game(maps, regions, 2), pointing_game(maps, regions, 1.5)
    assert (near.hits, far.hits) == ((True,), (False,)) and near.random > far.random > disc(5, 5).mean()


def test_wilsons_interval_against_its_formula():
    for hits, trials in ((0, 8), (7, 20), (20, 20)):
        p, z = hits / trials, 1.959963984540054
        middle = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
        half = z / (1 + z**2 / trials) * np.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
        found = share(hits, trials)
        assert (found.value, found.low, found.high) == pytest.approx((p, middle - half, middle + half), abs=1e-12)
    assert share(0, 0).value is None
    with refused("count-impossible", names="3 hits of 2"):
        share(3, 2)


def test_verdicts_follow_the_interval():
    places = [(3 + n % 12, 3 + 2 * n) for n in range(12)]
    regions = [disc(*place) for place in places]
    good = pointing_game([peak(*place) for place in places], regions)
    assert good.verdict.good and "12 of 12 maps" in good.verdict.text
    elsewhere = pointing_game([peak(19, 0) for _ in places], regions)
    assert elsewhere.verdict.good is False and elsewhere.as_dict()["hits"] == 0
    middle = [disc(10, 15)] * 6  # the centre hits as well
    assert pointing_game([peak(10, 15)] * 6, middle).verdict.good is False
    few = pointing_game([peak(*places[0])], regions[:1]), pointing_game([], [])
    assert [found.verdict.good for found in few] == [None, None]


def test_a_plateau_points_to_its_middle_and_a_flat_map_nowhere():
    flat = np.zeros(SHAPE)
    assert brightest(flat) is None and pointing_game([flat], [disc(0, 0)]).hits == (False,)
    plateau = flat.copy()
    plateau[4:9, 10:17] = 1
    assert brightest(plateau) == (6, 13)
    assert brightest(np.full(SHAPE, np.nan)) is None


@pytest.mark.parametrize(
    ("maps", "regions", "tolerance", "code"),
    [
        ([peak(1, 1)], [], 0, "regions-not-paired"),
        ([peak(1, 1)], [np.zeros(SHAPE, bool)], 0, "region-unusable"),
        ([peak(1, 1)], [np.ones((3, 3), bool)], 0, "region-unusable"),
        ([peak(1, 1)], [disc(1, 1)], -1, "setting-out-of-range"),
    ],
)
def test_refusals(maps, regions, tolerance, code):
    with refused(code):
        pointing_game(maps, regions, tolerance)
