"""The size of an environment, counted by a program of its own: it may have a hundred thousand files."""

from __future__ import annotations

from collections.abc import Callable

import qt

from MedSSLLib.backend.environments import Places
from MedSSLLib.install.machine import TOOLS


class FolderSize:
    """Counts once, until it is told to forget."""

    def __init__(self) -> None:
        self._asked, self._onSize = False, None
        self._process = qt.QProcess()
        self._process.connect("finished(int,QProcess::ExitStatus)", self._ended)

    def ask(self, places: Places, onSize: Callable[[int], None]) -> None:
        """Count the bytes of environment and installer; `onSize` is called when it is known."""
        if self._asked:
            return
        self._asked, self._onSize = True, onSize
        folders = [str(places.environment), str(places.installer)]
        self._process.start(places.slicerPython, [str(TOOLS), "size", *folders])

    def forget(self) -> None:
        """Count again at the next question."""
        self._asked = False

    def close(self) -> None:
        """Stop counting."""
        self._onSize = None
        if self._process.state() != qt.QProcess.NotRunning:
            self._process.kill()
            self._process.waitForFinished(2000)

    def _ended(self, code: int, _status) -> None:
        text = self._process.readAllStandardOutput().data().decode("utf-8", "replace").strip()
        if code == 0 and text.isdigit() and self._onSize is not None:
            self._onSize(int(text))
