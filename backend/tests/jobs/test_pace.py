"""How long a run will still take: by the clock, early, and said once in each tenth."""

from __future__ import annotations

from medssl.jobs.pace import FIRST_S, Pace, duration_text


def test_what_lies_between_steps_counts_too():
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.left(0, 10) is None and pace.left(0, 10) is None  # reading images: no step was made
    now[0] = 3.0
    assert pace.left(1, 10) == 27.0
    now[0] = 20.0  # a validation of ten seconds
    assert pace.left(4, 10) == 30.0


def test_another_number_of_steps_is_another_phase():
    now = [0.0]
    pace = Pace(lambda: now[0])
    pace.left(0, 1)
    now[0] = 100.0  # the cache was filled
    assert pace.left(1, 50) is None
    now[0] = 102.0
    assert pace.left(2, 50) == 96.0


def test_a_resumed_run_measures_anew():
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.left(41, 60) is None
    now[0] = 2.0
    assert pace.left(42, 60) == 36.0


def test_it_is_said_after_some_seconds_and_then_once_in_each_tenth():
    now = [0.0]
    pace, said = Pace(lambda: now[0]), []
    for step in range(1, 101):
        now[0] = float(step)
        if pace.left(step, 100) is not None and pace.is_due(step, 100):
            said.append(step)
    assert said == [1 + int(FIRST_S), 11, *range(20, 100, 10)]  # 10 came too soon after the first


def test_durations_as_people_say_them():
    assert [duration_text(s) for s in (0.4, 89, 90, 600, 3900)] == ["0 s", "89 s", "2 min", "10 min", "1 h 05 min"]
