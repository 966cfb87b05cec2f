"""How often the holder of a token may ask: a bucket of requests that fills again evenly."""

from __future__ import annotations

import time
from collections.abc import Callable

RATE = 50.0  # requests per second: a panel that follows the mouse makes 30


class Rate:
    """A token bucket for each name.

    Args:
        per_second: requests that a name may make for ever; 0: no limit.
        burst: requests that it may make at once after a pause.
    """

    def __init__(self, per_second: float, burst: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._burst = max(1.0, burst or 4 * per_second)
        self._left: dict[str, tuple[float, float]] = {}  # name -> (requests left, when)

    def take(self, name: str) -> float:
        """Count a request; the seconds until the next one may be made where this is one too many, else 0."""
        if not self._per_second:
            return 0.0
        now = self._clock()
        left, then = self._left.get(name, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        allowed = left >= 1.0
        self._left[name] = (left - allowed, now)
        return 0.0 if allowed else (1.0 - left) / self._per_second
