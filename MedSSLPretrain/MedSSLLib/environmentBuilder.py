"""Installs the backend into an environment, in the background, with a log. Runs only after a click."""

from __future__ import annotations

import shutil
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from medssl.client import backend
from medssl.errors import ResourceError
from medssl.home import home_folder
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.environments import SLICER, Environment, basePython, installCommands
from MedSSLLib.signal import Signal


class EnvironmentBuilder:
    """Runs the install commands of an environment one after another.

    Signals: `output(text)` for each line, `finished(error)` with None or a ResourceError.
    """

    def __init__(self) -> None:
        self.output, self.finished = Signal(), Signal()
        self._process, self._commands, self._tail = None, [], ""

    @property
    def running(self) -> bool:
        """Whether something is being installed."""
        return self._process is not None

    def build(self, environment: Environment) -> None:
        """Start; signals tell the rest."""
        started = slicer.util.startupEnvironment()
        base = basePython(started.get("PATH", ""))
        self._variables = backend.environment(started)
        if environment.key == SLICER:  # it needs Slicer's libraries
            self._variables = None
        self._commands = installCommands(environment, _writableCopy(), base)
        self._next()

    def cancel(self) -> None:
        """Stop; `finished` follows with an error."""
        self._commands = []
        self._process.kill()

    def _next(self) -> None:
        command = self._commands.pop(0)
        self.output.emit("$ " + " ".join(command))
        self._tail = ""
        process = self._process = qt.QProcess()
        process.setProcessChannelMode(qt.QProcess.MergedChannels)
        if self._variables is not None:
            variables = qt.QProcessEnvironment()
            for name, value in self._variables.items():
                variables.insert(name, value)
            process.setProcessEnvironment(variables)
        process.connect("readyReadStandardOutput()", self._read)
        process.connect("finished(int,QProcess::ExitStatus)", self._ended)
        process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        process.start(command[0], command[1:])

    def _read(self) -> None:
        text = self._process.readAllStandardOutput().data().decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        self._tail = lines[-1] if lines else self._tail
        if lines:
            self.output.emit("\n".join(lines))

    def _ended(self, code: int, _status) -> None:
        self._read()
        if code == 0 and self._commands:
            self._next()
            return
        self._process = None
        error = None
        if code != 0:
            rule = _("cannot be installed ({reason})").format(reason=self._tail or f"exit status {code}")
            error = ResourceError(_("backend environment"), rule, _("Read the log above; check disk and network"))
        self.finished.emit(error)

    def _failed(self, kind) -> None:
        if kind == qt.QProcess.FailedToStart:  # other errors are followed by finished()
            program, self._process = self._process.program(), None
            self.finished.emit(ResourceError(program, _("cannot be run"), _("Choose another Python")))


def _writableCopy() -> Path:
    """pip builds inside the source folder, and an installed extension's may be read-only."""
    copy = home_folder() / "backend-source"
    shutil.rmtree(copy, ignore_errors=True)
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests", "benchmarks")
    shutil.copytree(backendFolder(), copy, ignore=leave)
    return copy
