"""How long a run will still take, by the clock: validations, checkpoints and waits count as they come."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_S = 5.0  # seconds at work before the first estimate, and between two that are said
PARTS = 10  # estimates of a whole run


class Pace:
    """Seconds per step since the first step that this process made; a resumed run measures anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._steps = clock, 0
        self._first = (0, 0.0)  # step, time
        self._said = (-1, 0.0)  # part of the run, time

    def left(self, step: int, steps: int) -> float | None:
        """Seconds from step `step` to the end; None before two of them have been made."""
        now = self._clock()
        if steps != self._steps or step < self._first[0]:
            self._steps, self._first, self._said = steps, (step, now), (-1, now)
        if step == self._first[0]:
            return None
        done, spent = step - self._first[0], now - self._first[1]
        return max(0.0, (steps - step) * spent / done)

    def is_due(self, step: int, steps: int) -> bool:
        """Is this the moment to say it: after some seconds of work, then once in each tenth of the run?"""
        part, now = PARTS * step // steps if steps else 0, self._clock()
        if step >= steps or part == self._said[0] or now - self._said[1] < FIRST_S:
            return False
        self._said = (part, now)
        return True


def duration_text(seconds: float) -> str:
    """A length of time as people say it: 40 s, 3 min, 1 h 05 min."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 3600:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
