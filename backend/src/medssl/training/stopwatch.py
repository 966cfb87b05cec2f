"""How long a part of the steps takes, on a device that works behind the program's back too."""

from __future__ import annotations

import time
from typing import Any

import torch


class Stopwatch:
    """Sums the time spent in its `with` blocks; on a GPU between two events of its queue, so that nothing waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._events: list[tuple[Any, Any]] | None = [] if device.type == "cuda" else None
        self._total = self._start = 0.0

    def __enter__(self) -> None:
        if self._events is None:
            self._start = time.monotonic()
        else:
            self._events.append((torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)))
            self._events[-1][0].record()

    def __exit__(self, *_error: object) -> None:
        if self._events is None:
            self._total += time.monotonic() - self._start
        else:
            self._events[-1][1].record()

    def seconds(self) -> float:
        """Seconds so far, and from zero again; on a GPU it waits for the last block to end."""
        if self._events:
            self._events[-1][1].synchronize()
            self._total = sum(first.elapsed_time(last) for first, last in self._events) / 1000.0
            self._events.clear()
        total, self._total = self._total, 0.0
        return total
