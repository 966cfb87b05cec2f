"""Which Python runs the backend: one named by the user, an environment of its own, or Slicer's."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from medssl.core.home import home_folder

VARIABLE, OWN, SLICER, OTHER = "variable", "own", "slicer", "other"
MAKE_ENVIRONMENT = ["-m", "venv"]
BASE_NAMES = ("python3.12", "python3.11", "python3.13", "python3.10", "python3", "python")


@dataclass(frozen=True)
class Environment:
    """A Python that may run the backend."""

    key: str
    title: str
    python: str

    @property
    def exists(self) -> bool:
        """Whether there is such a Python; it may still lack packages."""
        return bool(self.python) and Path(self.python).is_file()


def environments(variables: Mapping[str, str] = os.environ, otherPython: str = "") -> list[Environment]:
    """The choices, the recommended one first."""
    own = ownPython()
    title = _("MedSSL's own environment") if own.is_file() else _("MedSSL's own environment (to be created)")
    found = [
        Environment(OWN, title, str(own)),
        Environment(SLICER, _("Slicer's Python"), slicerPython()),
        Environment(OTHER, _("Another Python..."), otherPython),
    ]
    named = variables.get("MEDSSL_PYTHON", "")
    return [Environment(VARIABLE, _("From MEDSSL_PYTHON"), named), *found] if named else found


def ownFolder() -> Path:
    """Where the own environment lies; deleting the folder removes it."""
    return home_folder() / "environment"


def ownPython() -> Path:
    """The Python of the own environment, which may not exist yet."""
    return ownFolder() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def slicerPython() -> str:
    """Slicer's own Python with its launcher."""
    return shutil.which("PythonSlicer") or sys.executable


def basePython(path: str) -> str:
    """A Python on the user's PATH to make the own environment from; Slicer's where there is none.

    Args:
        path: the PATH with which Slicer was started. What Windows keeps in WindowsApps only opens its store.
    """
    found = (shutil.which(name, path=path) for name in BASE_NAMES)
    return next((python for python in found if python and "WindowsApps" not in Path(python).parts), slicerPython())


def installCommands(environment: Environment, source: Path, base: str) -> list[list[str]]:
    """Argument lists that, one after another, make the environment able to run the backend.

    Args:
        environment: what to install into.
        source: the folder with the backend's pyproject.toml.
        base: the Python that makes the own environment.
    """
    pip = ["-m", "pip", "install", "--no-input", "--progress-bar", "off", "--disable-pip-version-check"]
    install = [environment.python, *pip, str(source)]
    if environment.key == OWN and not environment.exists:
        return [[base, *MAKE_ENVIRONMENT, str(ownFolder())], install]
    return [install]
