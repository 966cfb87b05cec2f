"""Finds out what this computer has, program after program, without waiting in the window's thread."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

import qt
import slicer

from medssl.client import backend
from medssl.core.home import NEUTRAL_FOLDER
from MedSSLLib.install.childProcess import setVariables, startProcess, stopProcess
from MedSSLLib.install.machine import Probe, probes, readMachine
from MedSSLLib.widgets.signal import Signal

TIMEOUT_MS = 15_000  # for one program; a card that sleeps needs some seconds


class MachineProbe:
    """Signal: `found(machine)`.

    Attribute: `running`.
    """

    def __init__(self) -> None:
        self.found, self.running = Signal(), False
        self._waiting: list[Probe] = []
        self._answers: dict[str, str] = {}
        self._process, self._timer = qt.QProcess(), qt.QTimer()
        self._process.setWorkingDirectory(str(NEUTRAL_FOLDER))
        self._process.connect("finished(int,QProcess::ExitStatus)", self._ended)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._kill)

    def start(self, folder: Path, slicerPython: str, network: Mapping[str, str], reach: bool = False) -> None:
        """Look; `found` follows.

        Args:
            folder: where the environment will lie; it need not exist.
            slicerPython: Slicer's own Python.
            network: variables of proxy and certificate.
            reach: whether PyTorch's own index is asked, too.
        """
        if self.running:
            return
        self.running, self._answers = True, {}
        self._folder, self._network = folder, dict(network)
        self._started = slicer.util.startupEnvironment()
        self._waiting = probes(platform.system(), self._started, slicerPython, reach)
        self._next()

    def close(self) -> None:
        """Stop looking; no signal follows. A connection left would keep this object for ever."""
        self.running, self._waiting = False, []
        self._timer.stop()
        if self._process.state() != qt.QProcess.NotRunning:
            stopProcess(self._process)
            self._process.waitForFinished(2000)
        self._timer.disconnect("timeout()", self._kill)
        self._process.disconnect("finished(int,QProcess::ExitStatus)", self._ended)
        self._process.disconnect("errorOccurred(QProcess::ProcessError)", self._failed)

    def _kill(self) -> None:
        stopProcess(self._process)

    def _next(self) -> None:
        if not self.running:
            return
        if not self._waiting:
            self._finish()
            return
        probe = self._waiting[0]
        setVariables(
            self._process, {**(os.environ if probe.slicer else backend.environment(self._started)), **self._network}
        )
        self._timer.start(TIMEOUT_MS)
        startProcess(self._process, probe.command, probe.slicer)

    def _ended(self, code: int, status) -> None:
        self._timer.stop()
        printed = self._process.readAllStandardOutput().data().decode("utf-8", "replace")
        if not self.running:
            return
        probe = self._waiting.pop(0)
        if probe.key == "cards" or (
            code == 0 and status == qt.QProcess.NormalExit
        ):  # the driver's program has answered, well or not
            self._answers[probe.key] = printed
        self._next()

    def _failed(self, kind) -> None:
        if kind == qt.QProcess.FailedToStart and self.running:  # other errors are followed by finished()
            self._timer.stop()
            self._waiting.pop(0)
            qt.QTimer.singleShot(0, self._next)  # not from within its own signal

    def _finish(self) -> None:
        self.running = False
        existing = next(folder for folder in (self._folder, *self._folder.parents) if folder.is_dir())
        free = shutil.disk_usage(existing).free
        self.found.emit(readMachine(platform.system(), platform.machine(), free, self._answers))
