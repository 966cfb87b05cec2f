"""Which set a step visits."""

from __future__ import annotations

from collections import Counter

import pytest

from medssl.core.errors import CatalogError
from medssl.datasets.crops.set_schedule import Visits


def test_cyclic_passes_over_each_set_before_the_next_and_says_when_a_pass_ends():
    visits = Visits([10, 3, 8], per_step=4)
    assert (visits.passes, visits.epoch) == ([3, 1, 2], 6)
    told = [(v.set, v.turn, v.ends) for v in (visits[step] for step in range(12))]
    assert told[:6] == [(0, 0, False), (0, 1, False), (0, 2, True), (1, 0, True), (2, 0, False), (2, 1, True)]
    assert told[6:] == [(0, 3, False), (0, 4, False), (0, 5, True), (1, 1, True), (2, 2, False), (2, 3, True)]


def test_balanced_gives_each_set_as_many_steps():
    visits = Visits([40, 4], per_step=4, order="balanced")
    steps = [visits[step] for step in range(visits.epoch)]
    assert Counter(v.set for v in steps) == {0: 6, 1: 6} and visits.epoch == 12
    assert [v.ends for v in steps if v.set == 1] == [True] * 6 and not any(v.ends for v in steps if v.set == 0)
    assert visits[18].ends and visits[18] == visits[18]  # the tenth step of the large set


@pytest.mark.parametrize("counts", [[], [3, 0]])
def test_sets_without_images_are_refused(counts: list[int]):
    with pytest.raises(CatalogError, match="holds no images"):
        Visits(counts, 4)
