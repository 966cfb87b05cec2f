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
