"""Which Python runs the backend: one named by the user, an environment of its own, or Slicer's."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import qt
from slicer.i18n import tr as _

from medssl.core.files import read_json, write_json
from medssl.core.home import home_folder, make_home
from MedSSLLib.backendLocator import backendFolder
from MedSSLLib.install.installState import isOfEarlierVersion, readState

VARIABLE, OWN, SLICER, OTHER = "variable", "own", "slicer", "other"
PACKAGES = ("torch", "fastapi", "uvicorn")  # without which no backend starts
PLACE_FILE = "environment-place.json"  # in the home folder, where another place was chosen


@dataclass(frozen=True)
class Environment:
    """A Python that may run the backend."""

    key: str
    title: str
    python: str

    @property
    def exists(self) -> bool:
        """Whether there is such a Python; another's may still lack packages, the own one counts when it is whole."""
        if not (self.python and Path(self.python).is_file()):
            return False
        if self.key != OWN:
            return True
        places = ownPlaces()
        state = readState(places.environment)
        return isOfEarlierVersion(places.environment, places.installer) if state is None else state.complete


@dataclass(frozen=True)
class Places:
    """Folders and programs of an installation.

    Attributes:
        environment: the environment's folder.
        installer: uv, the Python that it brings and its downloads.
        original: the backend's source as it came with the extension: with pyproject.toml.
        source: its copy, from which it is built.
        slicerPython: Slicer's own Python, which has pip.
    """

    environment: Path
    installer: Path
    original: Path
    source: Path
    slicerPython: str

    def python(self, system: str) -> str:
        """The environment's Python."""
        return str(self.environment / ("Scripts/python.exe" if system == "Windows" else "bin/python"))

    def uv(self, system: str) -> str:
        """The program uv."""
        return str(self.installer / "uv" / "bin" / ("uv.exe" if system == "Windows" else "uv"))


def environments(variables: Mapping[str, str] = os.environ, otherPython: str = "") -> list[Environment]:
    """The choices, the recommended one first."""
    own = ownPython()
    whole = Environment(OWN, "", str(own)).exists
    title = (
        _("MedSSL's own")
        if whole
        else _("MedSSL's own (not finished)")
        if own.is_file()
        else _("MedSSL's own (to be created)")
    )
    found = [
        Environment(OWN, title, str(own)),
        Environment(SLICER, _("Slicer's Python"), slicerPython()),
        Environment(OTHER, _("Another Python..."), otherPython),
    ]
    named = variables.get("MEDSSL_PYTHON", "")
    return [Environment(VARIABLE, _("From MEDSSL_PYTHON"), named), *found] if named else found


def chosenEnvironment(variables: Mapping[str, str] = os.environ) -> Environment | None:
    """The Python for console and batch, or None where there is none: of MEDSSL_PYTHON, as the user chose in the panel, or the
    first that exists; Slicer's only if it was chosen and the backend's packages are in it, since any Slicer has one."""
    settings = qt.QSettings()
    key, other = (str(settings.value(f"MedSSL/{name}", "") or "") for name in ("Environment", "OtherPython"))
    found = {one.key: one for one in environments(variables, other) if one.exists}
    if not all(find_spec(name) for name in PACKAGES):  # of Slicer's Python, which is this one
        found.pop(SLICER, None)
    wanted = found.get(VARIABLE) or found.get(key)
    return wanted or next((one for one in found.values() if one.key != SLICER), None)


def ownPlace() -> Path:
    """The folder below which MedSSL's own environment and what installed it lie: the home folder, or where the user wants it."""
    try:
        return Path(read_json(home_folder() / PLACE_FILE)["place"])
    except (OSError, ValueError, KeyError, TypeError):
        return home_folder()


def setOwnPlace(folder: str) -> None:
    """Choose another place; "" returns to the home folder.

    Raises:
        ResourceError: the home folder cannot be written.
    """
    if folder and Path(folder) != home_folder():
        make_home(home_folder())
        write_json(home_folder() / PLACE_FILE, {"place": folder})
    else:
        (home_folder() / PLACE_FILE).unlink(missing_ok=True)


def ownFolder() -> Path:
    """MedSSL's own environment; it need not exist."""
    return ownPlace() / "environment"


def ownPlaces() -> Places:
    """Where an installation puts what."""
    return Places(
        ownFolder(), ownPlace() / "installer", backendFolder(), home_folder() / "backend-source", slicerPython()
    )


def ownPython() -> Path:
    """The Python of the own environment, which may not exist yet."""
    return ownFolder() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def slicerPython() -> str:
    """Slicer's own Python with its launcher."""
    return shutil.which("PythonSlicer") or sys.executable
