"""Carries out the commands of an installation in the background, with a log. Runs only after a click."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import qt
from slicer.i18n import tr as _

from medssl.core.errors import MedSSLError, ResourceError
from medssl.core.home import NEUTRAL_FOLDER
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.install.childProcess import setVariables, startProcess, stopProcess
from MedSSLLib.install.failureReason import cancelled, checked, failed
from MedSSLLib.install.installPlan import CHECK, CLEAR, SOURCE, Plan, Step, slicerVariables
from MedSSLLib.install.installState import InstallState, mark, markOf, readState, requirementsMark, writeState
from MedSSLLib.widgets.signal import Signal

LAST_LINES = 60  # of a program, kept for the reason why it failed


class EnvironmentBuilder:
    """Runs the steps of a plan one after another; what is done is noted in the environment's folder at once.

    Signals: `output(text)` for each piece of the log, `progress(number, count, title)` at each step, `finished(error)` with
    None or a ResourceError. Attributes: `running`; `gpu`, what the last check said of the GPU.
    """

    def __init__(self) -> None:
        self.output, self.progress, self.finished = Signal(), Signal(), Signal()
        self.running, self.gpu = False, ""
        self._plan, self._waiting = Plan(()), deque[Step]()
        self._lines, self._printed, self._cancelled = deque(maxlen=LAST_LINES), "", False
        # One for all commands: PythonQt would delete a forgotten one in the midst of its own signal
        self._process = qt.QProcess()
        self._process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self._process.setWorkingDirectory(str(NEUTRAL_FOLDER))
        self._process.connect("readyReadStandardOutput()", self._read)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._ended)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._failedToStart)

    def build(self, plan: Plan) -> None:
        """Start; signals report the rest.

        Raises:
            ResourceError: a folder of the plan cannot be written.
        """
        for folder in plan.marked:
            with written(folder):
                mark(folder)
        self._plan, self._cancelled, self.gpu = plan, False, ""
        self._state = (readState(plan.folder) if plan.folder is not None else None) or InstallState()
        kept = {key: mark for key, mark in self._state.done.items() if key in plan.done}
        self._state = InstallState(kept)
        self._waiting = deque(step for step in plan.steps if step.key not in plan.done)
        self.running = True
        for step in plan.steps:
            if step.key in plan.done:
                self.output.emit(_("Done already: {title}").format(title=step.title))
        self._next()

    def cancel(self) -> None:
        """Stop; `finished` follows with an error."""
        self._cancelled = True
        stopProcess(self._process)

    def _next(self) -> None:
        step = self._waiting[0]
        count = len(self._plan.steps)
        self.progress.emit(count - len(self._waiting) + 1, count, step.title)
        self.output.emit("$ " + " ".join(step.command))
        self._lines.clear()
        self._printed = ""
        setVariables(self._process, slicerVariables(self._plan) if step.slicer else self._plan.variables)
        startProcess(self._process, step.command, step.slicer)

    def _read(self) -> None:
        text = self._process.readAllStandardOutput().data().decode("utf-8", "replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        self._lines.extend(lines)
        if self._waiting and self._waiting[0].key == CHECK:
            self._printed += text
        elif lines:
            self.output.emit("\n".join(lines))

    def _ended(self, code: int, status) -> None:
        self._read()
        if not self.running:
            return
        step = self._waiting.popleft()
        error = None
        if self._cancelled:
            error = cancelled(step.title)
        elif step.key == CHECK and status == qt.QProcess.NormalExit:
            error, self.gpu = checked(self._printed)
        elif code != 0 or status != qt.QProcess.NormalExit:
            error = failed(step.title, list(self._lines), code)
        try:
            self._note(step, error)
        except MedSSLError as reason:  # a full disk
            error = error or reason
        if error is None and self._waiting:
            self._next()
        else:
            self._finish(error)

    def _note(self, step: Step, error) -> None:
        """Keep what is done, whatever comes next."""
        folder, done = self._plan.folder, dict(self._state.done)
        if folder is None or (error is not None and step.key != CHECK):
            return
        if step.key == CLEAR:
            done = {}
        elif step.key not in (SOURCE, CHECK):
            done[step.key] = markOf(step.command)
        complete = step.key == CHECK and error is None
        self._state = InstallState(done, complete, requirementsMark(backendFolder()) if complete else "", self.gpu)
        with written(folder):
            folder.mkdir(parents=True, exist_ok=True)
        writeState(folder, self._state)

    def _failedToStart(self, kind) -> None:
        if kind == qt.QProcess.FailedToStart and self.running:  # other errors are followed by finished()
            program = self._process.program()
            self._finish(
                ResourceError(
                    program, _("cannot be run"), _("Press Continue to fetch it again, or choose another Python")
                )
            )

    def _finish(self, error) -> None:
        self.running = False
        self._waiting.clear()
        self.finished.emit(error)


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """Turn what the system says while a folder is made into an error that names the folder."""
    try:
        yield
    except OSError as error:
        rule = _("cannot be written ({reason})").format(reason=error.strerror)
        raise ResourceError(folder, rule, _("Check disk space and permissions, or choose another place")) from error


@cache
def sharedBuilder() -> EnvironmentBuilder:
    """The one of both modules: what one of them installs, the other sees."""
    return EnvironmentBuilder()
