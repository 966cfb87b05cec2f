"""What a step of a scenario gets: its images and models, and the means to wait, note and picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from stage import app
from stage.driver import Skipped, Until


class Stage:
    """One act of a scenario, in one run of the application.

    Attributes: `work`, a folder that all acts share; `data`, the folder of real images or None; `kept`, what earlier
    steps have made, by name; `notes`, `pictures`, `dialogs` of the running step.

    Args:
        name: of scenario and act; pictures are called after it.
        work: see above.
        output: where pictures go.
        data: see above.
    """

    def __init__(self, name: str, work: Path, output: Path, data: Path | None) -> None:
        self.work, self.data, self.kept = work, data, {}
        self._name, self._output, self._count, self.watchdog = name, output, 0, None
        self.begin()

    def begin(self) -> None:
        """Another step."""
        self.notes: list[str] = []
        self.pictures: list[str] = []
        self.dialogs: list[str] = []

    def __setitem__(self, name: str, value: Any) -> None:
        self.kept[name] = value

    def __getitem__(self, name: str) -> Any:
        """What an earlier step has made.

        Raises:
            Skipped: it has not.
        """
        if name not in self.kept:
            raise Skipped(f"needs {name}, which no earlier step has made")
        return self.kept[name]

    def note(self, text: Any) -> None:
        """A line for the report."""
        print(f"=== note {text}", flush=True)
        self.notes.append(str(text))

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 120.0):
        """`yield from` this to wait."""
        yield Until(condition, what, seconds)

    def shot(self, name: str, settle: float = 0.3):
        """`yield from` this for a picture of the main window."""
        yield settle
        self._take(slicer.util.mainWindow(), name)

    def pages(self, panel, name: str):
        """`yield from` this for a picture of a whole module panel, however long it is."""
        yield 0.2
        self._take(panel, name)

    def _take(self, widget, name: str) -> None:
        self._count += 1
        path = self._output / f"{self._name}-{self._count:02d}-{name}.png"
        self.watchdog.look()
        if app.picture(widget, path):
            self.pictures.append(path.name)
        self.watchdog.forget()
