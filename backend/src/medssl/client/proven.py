"""When a server has to show again that it knows the token, before it gets it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PROVEN_S = 2.0  # without an answer for so long, it may have died, and another program may have its port


class Proven:
    """What a transport knows of its server.

    Args:
        address: has `token`, and `proof` where it need not show anything: a server of an earlier version cannot.
    """

    def __init__(self, address: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._needed, self._clock, self._until = getattr(address, "proof", True), clock, float("-inf")

    def needed(self) -> bool:
        """Whether to ask for a proof before the next call with the token."""
        return self._needed and self._clock() >= self._until

    def answered(self) -> None:
        """It has just proven itself, or answered a call after it had."""
        self._until = self._clock() + PROVEN_S

    def failed(self) -> None:
        """It did not answer, or without a proof."""
        self._until = float("-inf")
