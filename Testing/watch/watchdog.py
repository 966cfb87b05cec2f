"""How long Python holds the event loop: the CPU time of every slot that Qt calls, by the test and the step it belongs to.

Off unless `begin` was called: a watched slot is held more strongly than an unwatched one. Painting by the stand-in does not count,
it is not what the application does.
"""

from __future__ import annotations

import os
import time
import types

ABSENT = object()  # an argument that the signal does not have
active = False
longest: dict[tuple[str, str], float] = {}  # (test, step) -> milliseconds
_depth = 0
_wrapped: dict = {}  # slot -> its watched form, so that it can be disconnected


def begin() -> None:
    """Watch every slot that is connected from now on."""
    global active
    active = True


def watched(slot):
    """A slot that measures itself, or the slot where nobody watches."""
    if not active or slot in _wrapped.values():
        return slot
    if slot not in _wrapped:
        _wrapped[slot] = timed(slot)
    return _wrapped[slot]


def known(slot):
    """What was connected for a slot."""
    return _wrapped.get(slot, slot)


def table(most: int = 60) -> list[str]:
    """The longest blocks of the run, a line each: test, step, milliseconds."""
    rows = sorted(longest.items(), key=lambda row: -row[1])[:most]
    return [f"{milliseconds:8.1f} ms  {step}  ({test})" for (test, step), milliseconds in rows]


def timed(slot):
    """A slot that notes how long its outermost call took; with as many parameters, which Qt counts."""

    def run(*arguments):
        global _depth
        step, begun = _step(slot), time.thread_time()
        _depth += 1
        try:
            return slot(*arguments)
        finally:
            _depth -= 1
            if not _depth:
                test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0].rpartition("/")[2]
                spent = 1000 * (time.thread_time() - begun)
                longest[test, step] = max(longest.get((test, step), 0.0), spent)

    return sameShape(slot, run)


def sameShape(slot, run):
    """A function that calls `run`, with as many parameters as a slot: Qt passes as many of the signal's arguments."""
    some = lambda *arguments: run(*(one for one in arguments if one is not ABSENT))  # noqa: E731
    shapes = {
        0: lambda: run(), 1: lambda a=ABSENT: some(a), 2: lambda a=ABSENT, b=ABSENT: some(a, b),
        3: lambda a=ABSENT, b=ABSENT, c=ABSENT: some(a, b, c),
    }  # fmt: skip
    return shapes.get(_parameters(slot), lambda *arguments: run(*arguments))


def _parameters(slot) -> int | None:
    """How many arguments a slot takes; None: any number, or unknown."""
    isMethod = isinstance(slot, types.MethodType)
    code = getattr(slot.__func__ if isMethod else slot, "__code__", None)
    return None if code is None or code.co_flags & 0x04 else code.co_argcount - isMethod


def _step(slot) -> str:
    """Where a conversation stands that the slot goes on with, otherwise the slot's name."""
    cells = [cell.cell_contents for cell in getattr(slot, "__closure__", None) or ()]
    for one in (slot, *cells):
        try:
            steps = getattr(getattr(one, "__self__", None), "_steps", None)
        except RuntimeError:  # a widget that is gone
            continue
        if isinstance(steps, types.GeneratorType) and steps.gi_frame is not None:
            while isinstance(steps.gi_yieldfrom, types.GeneratorType) and steps.gi_yieldfrom.gi_frame is not None:
                steps = steps.gi_yieldfrom
            return f"{steps.gi_code.co_qualname}:{steps.gi_frame.f_lineno}"
    return getattr(slot, "__qualname__", repr(slot))
