"""What a command is at: one line that changes on a terminal; in a pipe or a file a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.markup import escape

from medssl.cli.output import err

BETWEEN_S = 10.0  # seconds between two lines in a pipe


class Working(Protocol):
    """Where a command says what it is at."""

    def update(self, text: str) -> None:
        """Say it, in plain text."""


class Lines:
    """Lines in a pipe: the first text at once, then at most one in some seconds; nothing on a terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last, self._next = clock, "", 0.0

    def update(self, text: str) -> None:
        """Print a text that is new and whose time has come."""
        if err.is_terminal or text == self._last or self._clock() < self._next:
            return
        self._last, self._next = text, self._clock() + BETWEEN_S
        err.print(escape(text), highlight=False)


@contextmanager
def working(text: str) -> Iterator[Working]:
    """While the block runs, `text` and what it is updated to stand on the terminal; in a pipe as `Lines`."""
    if not err.is_terminal:
        lines = Lines()
        lines.update(text)
        yield lines
        return
    with err.status(escape(text)) as status:
        yield _Spinner(status.update)


class _Spinner:
    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show

    def update(self, text: str) -> None:
        self._show(escape(text))
