"""How tests ask a handler: by name and JSON, as the worker does, in a context that remembers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch import nn

from medssl.core.protocol import from_json
from medssl.core.registry import load
from medssl.handlers import INSPECTIONS
from medssl.images.volume import Volume


def ask(name: str, request: dict[str, Any], context: Any) -> SimpleNamespace:
    """Run an inspection; gives the files, the table and the info of its answer, which the context keeps as `found`."""
    inspection = INSPECTIONS[name]
    load(inspection.handler)(from_json(load(inspection.request), request), context)
    return context.found


class Context:
    """What an inspection is given, kept in memory but for the files."""

    def __init__(self, folder: Path, volume: Volume | None = None, net: nn.Module | None = None) -> None:
        self.home, self.folder = folder / "home", folder / "result"
        self.home.mkdir(parents=True)
        self.folder.mkdir()
        self._volume, self._net, self.fractions, self.found = volume, net, [], SimpleNamespace()
        self.noted: list[str] = []

    def volume(self, ref) -> Volume:
        return self._volume

    def model(self, reference: str, fidelity: str, device: str, part: str = "") -> nn.Module:
        return self._net

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)

    def note(self, notes, name: str = "") -> None:
        self.noted += [f"{name}: {note}" if name else note for note in notes]

    def finish(self, files, table, info) -> None:
        self.found = SimpleNamespace(files=files, table=table, info=info)
