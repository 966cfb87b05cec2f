"""Signals between the panels' own Python objects: PythonQt offers none."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    """Connected functions are called in the order of their connection."""

    def __init__(self) -> None:
        self._slots: list[Callable] = []

    def connect(self, slot: Callable) -> None:
        """Call `slot` at every `emit` from now on."""
        self._slots.append(slot)

    def disconnect(self, slot: Callable) -> None:
        """Call `slot` no more."""
        self._slots.remove(slot)

    def emit(self, *arguments) -> None:
        """Call every slot; a slot may connect or disconnect others."""
        for slot in tuple(self._slots):
            slot(*arguments)
