"""Applications that scenarios run in: a real one that is named, or the stand-in; started anew for every act."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TESTING, ROOT = FOLDER.parents[1], FOLDER.parents[2]
SCREEN = "-screen 0 1680x1050x24 +extension GLX"
LIMIT_S = 1800.0  # of one act


@dataclass(frozen=True)
class Act:
    """A part of a scenario that one run of the application plays.

    Attributes: `work`, shared by all acts; `output`, where pictures and records go; `data`, real images or None; `home`, the
    backend's home folder; `python`, the backend's Python or "": none is named.
    """

    scenario: str
    number: int
    work: Path
    output: Path
    data: Path | None
    home: Path
    python: str

    @property
    def log(self) -> Path:
        """What the application says."""
        return self.output / f"{self.scenario}-{self.number}.log"

    def environment(self) -> dict[str, str]:
        """Of the application."""
        plan = {
            "scenario": self.scenario, "act": self.number, "work": str(self.work), "output": str(self.output),
            "data": str(self.data or ""), "log": str(self.log), "paths": [str(FOLDER), str(TESTING)],
        }  # fmt: skip
        variables = {**os.environ, "MEDSSL_SCENARIO": json.dumps(plan), "MEDSSL_HOME": str(self.home)}
        variables.pop("MEDSSL_PYTHON", None)
        return variables | ({"MEDSSL_PYTHON": self.python} if self.python else {})


class Application:
    """A command that runs a Python script with a main window."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def play(self, act: Act, limit: float = LIMIT_S) -> int:
        """Run an act; returns the exit code, negative where a signal ended it."""
        with act.log.open("wb") as log:
            process = subprocess.Popen(
                [*self._command, str(FOLDER / "stage" / "inside.py")], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env=act.environment(), start_new_session=True,
            )  # fmt: skip
            try:
                return process.wait(limit)
            except subprocess.TimeoutExpired:
                return -signal.SIGKILL
            finally:  # a virtual display would outlive it
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def standIn() -> Application:
    """The stand-in of the panel tests, in this Python."""
    return Application([sys.executable, str(FOLDER / "standin.py")])


def real(path: str) -> Application:
    """A real application, under a virtual display where there is no other.

    Raises:
        RuntimeError: why it cannot run here.
    """
    if not path:
        raise RuntimeError("no application is named; give SLICER=/path/to/Slicer")
    if shutil.which(path) is None:
        raise RuntimeError(f"{path} is no application that can be run")
    display = []
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        if shutil.which("xvfb-run") is None:
            raise RuntimeError("there is no display, and no xvfb-run that makes a virtual one")
        display = ["xvfb-run", "--auto-servernum", f"--server-args={SCREEN}"]
    modules = [str(ROOT / name) for name in ("MedSSLPretrain", "MedSSLInference")]
    options = ["--no-splash", "--disable-settings", "--ignore-slicerrc", "--additional-module-paths", *modules]
    return Application([*display, path, *options, "--python-script"])
