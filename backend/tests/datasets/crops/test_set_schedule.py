"""Which set a step visits."""

from __future__ import annotations

from collections import Counter

import pytest
from refusals import refused

from medssl.datasets.crops.set_schedule import SetSchedule


def test_cyclic_passes_over_each_set_before_the_next_and_says_when_a_pass_ends():
    schedule = SetSchedule([10, 3, 8], per_step=4)
    assert (schedule.passes, schedule.epoch) == ([3, 1, 2], 6)
    told = [(v.set, v.turn, v.ends) for v in (schedule[step] for step in range(12))]
    assert told[:6] == [(0, 0, False), (0, 1, False), (0, 2, True), (1, 0, True), (2, 0, False), (2, 1, True)]
    assert told[6:] == [(0, 3, False), (0, 4, False), (0, 5, True), (1, 1, True), (2, 2, False), (2, 3, True)]


def test_balanced_gives_each_set_as_many_steps():
    schedule = SetSchedule([40, 4], per_step=4, order="balanced")
    steps = [schedule[step] for step in range(schedule.epoch)]
    assert Counter(v.set for v in steps) == {0: 6, 1: 6} and schedule.epoch == 12
    assert [v.ends for v in steps if v.set == 1] == [True] * 6 and not any(v.ends for v in steps if v.set == 0)
    assert schedule[18].ends and schedule[18] == schedule[18]  # the tenth step of the large set


def test_interleaved_passes_over_each_set_in_an_epoch_and_spreads_its_steps():
    schedule, cyclic = (SetSchedule([24, 4, 12], per_step=4, order=order) for order in ("interleaved", "cyclic"))
    steps = [schedule[step] for step in range(2 * schedule.epoch)]
    assert schedule.epoch == cyclic.epoch == 10
    assert Counter(v.set for v in steps) == Counter(cyclic[step].set for step in range(20)) == {0: 12, 1: 2, 2: 6}
    assert [v.set for v in steps[:10]] == [0, 2, 0, 0, 1, 2, 0, 0, 2, 0]
    for number, count in enumerate(schedule.passes):
        mine = [v for v in steps if v.set == number]
        assert [v.turn for v in mine] == list(range(2 * count)), "in order, whatever lies between"
        assert [v.ends for v in mine] == ([False] * (count - 1) + [True]) * 2
    assert {schedule.began(step) for step in range(20)} == {0, 10}


@pytest.mark.parametrize("counts", [[], [3, 0]])
def test_sets_without_images_are_refused(counts: list[int]):
    with refused("no-images"):
        SetSchedule(counts, 4)
