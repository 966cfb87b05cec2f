"""An inspection in this process, for the command line: the same functions, a folder of the caller's choice, no server."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from medssl.core.files import disk_errors, read_json, write_json
from medssl.core.home import make_home
from medssl.core.protocol import QUEUED, ResultStatus, from_json, to_json
from medssl.core.registry import load
from medssl.handlers import INSPECTIONS
from medssl.handlers.worker.context import FolderContext
from medssl.inference.models import WarmModels

Progress = Callable[[float, str], None]


class _LocalContext(FolderContext):
    """Reports to a callback as well as to the folder."""

    report: Progress
    on_note: Callable[[str], None]

    def progress(self, fraction: float, message: str = "") -> None:
        super().progress(fraction, message)
        self.report(fraction, message)

    def note(self, notes: Iterable[str], name: str = "") -> None:
        before = len(self._notes)
        super().note(notes, name)
        for note in list(self._notes)[before:]:
            self.on_note(note)


def run_here(
    kind: str,
    request: dict[str, Any],
    home: Path,
    folder: Path | None,
    progress: Progress,
    on_note: Callable[[str], None] = lambda note: None,
) -> ResultStatus:
    """Run one inspection and leave its outputs in `folder` (None: a temporary one); errors are raised.

    `on_note` is given each note that is known before the answer, as soon as it is.

    Raises:
        MedSSLError: whatever the inspection refuses.
    """
    make_home(home)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if folder is None else folder
        known = folder.exists()
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "status.json", to_json(ResultStatus(folder.name, kind, QUEUED)))
        try:
            context = _LocalContext(home, folder, WarmModels(home))
            context.report, context.on_note = progress, on_note
            context.begin()
            inspection = INSPECTIONS[kind]
            load(inspection.handler)(from_json(load(inspection.request), request), context)
            context.close()
        except BaseException:
            _leave(folder, known)
            raise
        return from_json(ResultStatus, read_json(folder / "status.json"))


def _leave(folder: Path, known: bool) -> None:
    """An inspection that failed has no result: its state goes, and its folder too where nothing was written and it is ours."""
    with contextlib.suppress(OSError):
        (folder / "status.json").unlink(missing_ok=True)
        if not known:
            folder.rmdir()
