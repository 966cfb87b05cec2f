"""Fetches public sample images through the backend's Python, which knows their sources and checksums."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from medssl.core.errors import CancelledError, ResourceError, StateError
from medssl.core.home import NEUTRAL_FOLDER, home_folder
from MedSSLLib.backend.backendProcess import variablesOf
from MedSSLLib.install.environments import chosenEnvironment
from MedSSLLib.install.machine import TOOLS

COMMAND_LINE = "import sys; from medssl.cli import main; sys.exit(main())"
LOOK_MS = 200  # between two looks at the download

_underWay: list[str] = []  # the sample that is being fetched: a second one would share the log and the cursor


def fetch(name: str, onProgress: Callable[[str], None] = lambda text: None) -> Path:
    """Run `medssl samples fetch`, keeping Slicer responsive; returns the sample's folder.

    Args:
        name: of the sample.
        onProgress: called now and then with how much has come.

    Raises:
        ResourceError: no environment, or the download failed; the error quotes its last line.
        StateError: another sample is on its way.
        CancelledError: Slicer is being closed.
    """
    environment = chosenEnvironment()
    if environment is None:
        remedy = _("Create one in the Backend section of MedSSL Pretrain")
        raise ResourceError(_("backend environment"), _("does not exist yet"), remedy, code="environment-missing")
    if _underWay:
        raise StateError(_underWay[0], _("is being fetched already"), _("Wait until it has come"), code="fetching")
    home = home_folder()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "samples.log"
    command = ["-c", COMMAND_LINE, "samples", "fetch", name, "--home", str(home)]
    _underWay.append(name)
    try:
        with log.open("wb") as output:
            status = _run(environment, command, output, lambda: onProgress(_soFar(name, home)))
    finally:
        _underWay.clear()
    if status is None:
        raise CancelledError(name)
    if status != 0:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        rule = _("cannot be fetched ({reason})").format(reason=lines[-1] if lines else status)
        raise ResourceError(name, rule, _("Try again; {log} says more").format(log=log))
    return home / "samples" / name


def _run(environment, arguments: list[str], output, look: Callable[[], None]) -> int | None:
    """Run that Python in Qt's event loop; returns its exit status, or None where Slicer was told to quit before."""
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
    command = [environment.python, str(TOOLS), "run", *arguments]
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, cwd=NEUTRAL_FOLDER,
            env=variablesOf(environment), **hidden,
        )  # fmt: skip
    except OSError as error:
        rule = _("cannot be run ({reason})").format(reason=error.strerror)
        raise ResourceError(environment.python, rule, _("Choose a Python executable")) from error
    try:
        # it hears us: from now on a closed channel means that it is to end, with all that it has started
        child.stdin.write(b"\n")
        child.stdin.flush()
        _runLoop(child, look)
        return child.poll()
    finally:
        child.stdin.close()
        child.wait()


def _runLoop(child, look: Callable[[], None]) -> None:
    """Until the program has ended, or Slicer is to quit: that ends an event loop, and waits for ever for one of Python's."""
    loop, timer = qt.QEventLoop(), qt.QTimer()

    def tick() -> None:
        look()
        if child.poll() is not None:
            loop.exit()

    timer.connect("timeout()", tick)
    timer.start(LOOK_MS)
    loop.exec()
    timer.stop()
    timer.disconnect("timeout()", tick)


def _soFar(name: str, home: Path) -> str:
    """How much has come, by what lies on the disk; the download's files may come and go meanwhile."""
    count = 0
    for partial in (home / "samples").glob("partial-*"):
        for folder, _folders, files in os.walk(partial):
            for file in files:
                with contextlib.suppress(OSError):
                    count += os.path.getsize(os.path.join(folder, file))
    text = _("Fetching {name}: {mb:.1f} MB so far") if count else _("Fetching {name}...")
    return text.format(name=name, mb=count / 1e6)
