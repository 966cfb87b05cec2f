"""Programs that do not keep Slicer's window waiting: their environment, their start, and an end that leaves nothing at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import qt

from MedSSLLib.install.machine import TOOLS


def setVariables(process, variables: Mapping[str, str]) -> None:
    """Give a QProcess its environment."""
    environment = qt.QProcessEnvironment()
    for name, value in variables.items():
        environment.insert(name, value)
    process.setProcessEnvironment(environment)


def startProcess(process, command: Sequence[str], slicer: bool = False) -> None:
    """Start a program.

    Args:
        process: a QProcess.
        command: the program and its arguments.
        slicer: it is Slicer's own Python, a launcher: what that starts is watched, so that it ends with it.
    """
    arguments = list(command[1:])
    process.start(command[0], [str(TOOLS), "run", *arguments] if slicer else arguments)
    if slicer and process.isOpen():
        process.write(b"\n")  # it hears us: from now on a closed channel means that it is to end


def stopProcess(process) -> None:
    """End a program, with what is watched for it."""
    process.closeWriteChannel()
    process.kill()
