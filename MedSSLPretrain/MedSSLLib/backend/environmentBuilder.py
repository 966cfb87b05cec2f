"""Installs the backend into an environment, in the background, with a log. Runs only after a click."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from medssl.client import backend
from medssl.core.errors import ResourceError
from medssl.core.home import NEUTRAL_FOLDER, home_folder
from MedSSLLib.backend.environments import MAKE_ENVIRONMENT, SLICER, Environment, basePython, installCommands, ownFolder
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.widgets.signal import Signal


class EnvironmentBuilder:
    """Runs the install commands of an environment one after another.

    Signals: `output(text)` for each line, `finished(error)` with None or a ResourceError.
    """

    def __init__(self) -> None:
        self.output, self.finished = Signal(), Signal()
        self.running, self._commands, self._tail = False, [], ""
        # One for all commands: PythonQt would delete a forgotten one in the midst of its own signal
        self._process = qt.QProcess()
        self._process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self._process.setWorkingDirectory(str(NEUTRAL_FOLDER))
        self._process.connect("readyReadStandardOutput()", self._read)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._ended)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._failed)

    def build(self, environment: Environment) -> None:
        """Start; signals report the rest."""
        started = slicer.util.startupEnvironment()
        base = basePython(started.get("PATH", ""))
        needsSlicer = environment.key == SLICER  # its libraries, and what finds them
        variables = qt.QProcessEnvironment()
        for name, value in (os.environ if needsSlicer else backend.environment(started)).items():
            variables.insert(name, value)
        self._process.setProcessEnvironment(variables)
        try:
            source = _writableCopy()
        except OSError as error:  # shutil's has a list in place of a reason where several files fail
            rule = _("cannot be prepared ({reason})").format(reason=error.strerror or error)
            self.finished.emit(ResourceError(str(home_folder()), rule, _("Check disk space and permissions")))
            return
        self._commands = installCommands(environment, source, base)
        self.running = True
        self._next()

    def cancel(self) -> None:
        """Stop; `finished` follows with an error."""
        self._process.kill()

    def _next(self) -> None:
        command = self._commands[0]
        self.output.emit("$ " + " ".join(command))
        self._tail = ""
        self._process.start(command[0], command[1:])

    def _read(self) -> None:
        text = self._process.readAllStandardOutput().data().decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        self._tail = lines[-1] if lines else self._tail
        if lines:
            self.output.emit("\n".join(lines))

    def _ended(self, code: int, _status) -> None:
        self._read()
        killed = self._process.exitStatus() != qt.QProcess.NormalExit
        command = self._commands.pop(0)
        if code == 0 and not killed and self._commands:
            self._next()
            return
        error = None
        if code != 0 or killed:
            if command[1:3] == MAKE_ENVIRONMENT:  # half of one has a Python and no pip, and passes for a whole one
                shutil.rmtree(ownFolder(), ignore_errors=True)
            reason = _("cancelled") if killed else self._tail or f"exit status {code}"
            rule = _("cannot be installed ({reason})").format(reason=reason)
            error = ResourceError(_("backend environment"), rule, _("Read the log above; check disk and network"))
        self._finish(error)

    def _failed(self, kind) -> None:
        if kind == qt.QProcess.FailedToStart:  # other errors are followed by finished()
            self._finish(ResourceError(self._process.program(), _("cannot be run"), _("Choose another Python")))

    def _finish(self, error: ResourceError | None) -> None:
        self.running, self._commands = False, []
        self.finished.emit(error)


def _writableCopy() -> Path:
    """pip builds inside the source folder, and an installed extension's may be read-only."""
    copy = home_folder() / "backend-source"
    shutil.rmtree(copy, ignore_errors=True)
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests", "benchmarks")
    shutil.copytree(backendFolder(), copy, ignore=leave)
    return copy
