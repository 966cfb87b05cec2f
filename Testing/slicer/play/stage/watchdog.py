"""A watch over the application's event loop: how long it stood still, and in which of our lines."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import qt

WATCH_MS = 10
SAMPLE_S, LONG_S = 0.02, 0.06  # between two looks at the stack; a stand-still from which on looks count
OURS = "MedSSL"  # in the paths of the extension's files


class Watchdog:
    """A timer of 10 ms that finds out how long the event loop stood still.

    Attributes: `wall` and `cpu`, the longest such time since `begin`, in seconds.

    Args:
        onTick: called at each tick.
        samples: whether a thread looks at the stack meanwhile. Not in the real application: there VTK lets other threads run
            while it calls back into Python, which a Qt slot does not survive.
    """

    def __init__(self, onTick: Callable[[], None], samples: bool) -> None:
        self._timer, self._onTick = qt.QTimer(), onTick
        self._timer.setTimerType(qt.Qt.PreciseTimer)
        self._timer.setInterval(WATCH_MS)
        self._timer.connect("timeout()", self._tick)
        self._places: Counter[str] = Counter()
        self._running = True
        self.begin()
        self._timer.start()
        if samples:
            threading.Thread(target=self._sample, args=(threading.get_ident(),), daemon=True).start()

    @property
    def where(self) -> str:
        """The lines in which the event loop stood still most often since `begin`; "" where none was ours."""
        return "; ".join(f"{place} ({count}x)" for place, count in self._places.most_common(3))

    def begin(self) -> None:
        """Count from now on."""
        self.wall = self.cpu = 0.0
        self._places.clear()
        self.forget()

    def forget(self) -> None:
        """What has passed since the last tick does not count: the scenario itself took it, for a picture or a check."""
        self._last = time.perf_counter(), time.thread_time()

    def look(self) -> None:
        """Count what has passed since the last tick."""
        now = time.perf_counter(), time.thread_time()
        self.wall, self.cpu = max(self.wall, now[0] - self._last[0]), max(self.cpu, now[1] - self._last[1])
        self._last = now

    def stop(self) -> None:
        """Let go of timer and thread."""
        self._running = False
        self._timer.stop()

    def _tick(self) -> None:
        self.look()
        self._onTick()

    def _sample(self, watched: int) -> None:
        """A thread gets its turn while Python code runs in the main one, which is when it is our code that blocks."""
        while self._running:
            time.sleep(SAMPLE_S)
            if time.perf_counter() - self._last[0] > LONG_S and (place := _ownPlace(watched)):
                self._places[place] += 1


def _ownPlace(thread: int) -> str:
    """File, line and function of the innermost frame that is ours."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        path = frame.f_code.co_filename
        if OURS in path and "Testing" not in path:
            return f"{Path(path).name}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return ""
