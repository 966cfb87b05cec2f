"""What a training needs of the job it runs in. `medssl.jobs.folder_run` implements it on a job folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Run(Protocol):
    """A job's folder, its events and its cancel request."""

    folder: Path
    home: Path
    resume: bool
    device: str

    def emit(self, type: str, **fields: Any) -> None:
        """Append one event."""

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        """Tell how far it is."""

    def cancel_requested(self) -> bool:
        """Has someone asked to stop? Cheap enough to ask every step."""


class Ended:
    """A run whose training is over: what comes after it says what it does, and stays at the last step."""

    def __init__(self, run: Run, steps: int) -> None:
        self._run, self._steps = run, steps
        self.folder, self.home, self.resume, self.device = run.folder, run.home, run.resume, run.device

    def emit(self, type: str, **fields: Any) -> None:
        """Append one event."""
        self._run.emit(type, **fields)

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        """Say what it does."""
        self._run.progress(self._steps, self._steps, message)

    def cancel_requested(self) -> bool:
        """Has someone asked to stop?"""
        return self._run.cancel_requested()
