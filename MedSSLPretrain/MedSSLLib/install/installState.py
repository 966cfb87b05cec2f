"""What an environment made by the panel has so far: a small file in it, so that a cancelled installation goes on later."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medssl.core.files import read_json, write_json
from MedSSLLib.install.childTools import MARK

FILE = "medssl-environment.json"
FORMAT = 1
EARLIER_SOURCE = "backend-source"  # beside the environment, from which earlier versions installed
LEFT_BY_SYSTEMS = {"desktop.ini", "Thumbs.db"}
TOOL_FOLDERS = {"uv", "python", "downloads"}  # what an installer's folder holds beside its mark


@dataclass(frozen=True)
class InstallState:
    """The steps that are done, in their order, each with the mark of its command.

    Attributes:
        done: {step: mark}.
        complete: whether all are, and the check went well.
        requirements: mark of what the backend needed then; another one now means that the extension is newer.
        gpu: what the check said of the GPU.
    """

    done: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    requirements: str = ""
    gpu: str = ""


def readState(folder: Path) -> InstallState | None:
    """The state of an environment; None where the folder has none: it is not there, or made by an earlier version."""
    try:
        found = read_json(folder / FILE)
        if found["format"] == FORMAT:
            return InstallState(dict(found["done"]), bool(found["complete"]), found["requirements"], found["gpu"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # half a file cannot be: it is written whole or not at all
    return None


def trueState(folder: Path, python: str, uv: str) -> InstallState | None:
    """The state, without what somebody has deleted meanwhile."""
    state = readState(folder)
    if state is None:
        return None
    there = {key: mark for key, mark in state.done.items() if Path(uv if key == "tool" else python).is_file()}
    return replace(state, done=there, complete=state.complete and Path(python).is_file())


def writeState(folder: Path, state: InstallState) -> None:
    """Raises ResourceError where the folder cannot be written or the disk is full."""
    write_json(folder / FILE, {"format": FORMAT, **vars(state)})


def markOf(command: Sequence[str]) -> str:
    """Tells whether a step would do today what it did then."""
    return hashlib.sha256("\0".join(command).encode()).hexdigest()[:16]


def requirementsMark(source: Path) -> str:
    """The mark of what the backend that came with the extension needs."""
    try:
        return hashlib.sha256((source / "pyproject.toml").read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def mark(folder: Path) -> None:
    """Note in a folder that the panel has made it: it may be deleted with all in it. Raises OSError or ResourceError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / MARK, {"made by": "MedSSL"})


def isOurs(environment: Path, installer: Path) -> bool:
    """Whether an environment may be deleted: the panel has made it, and it is no environment of the user's."""
    marked = any((environment / name).is_file() for name in (MARK, FILE))
    return marked or isOfEarlierVersion(environment, installer)


def isOfEarlierVersion(environment: Path, installer: Path) -> bool:
    """Whether an environment was made before there were states and marks: MedSSL is in it, and what installed that beside it."""
    if any((environment / name).exists() for name in (MARK, FILE)) or not (environment / "pyvenv.cfg").is_file():
        return False
    found = [*environment.glob("lib/python*/site-packages/medssl-*"), *environment.glob("Lib/site-packages/medssl-*")]
    return bool(found) and any(one.is_dir() for one in (installer / "uv", environment.parent / EARLIER_SOURCE))


def ourFolders(environment: Path, installer: Path) -> tuple[Path, ...]:
    """Those of the two folders that may be deleted with all in them.

    An installer's folder of an earlier version has no mark: it belongs to an environment that is ours, and holds nothing else.
    """
    found = [environment] if isOurs(environment, installer) else []
    if (installer / MARK).is_file() or (found and _names(installer) and _names(installer) <= TOOL_FOLDERS):
        found.append(installer)
    return tuple(found)


def foreign(environment: Path, installer: Path) -> Path | None:
    """The first of the two folders that holds other files than what the panel puts there; None: neither does."""
    if _names(environment) and not isOurs(environment, installer):
        return environment
    if installer in ourFolders(environment, installer) or (installer / MARK).is_file() or _isInstaller(installer):
        return None
    return installer if _names(installer) else None


def _isInstaller(folder: Path) -> bool:
    names = _names(folder)
    return "uv" in names and names <= TOOL_FOLDERS


def _names(folder: Path) -> set[str]:
    """What lies in a folder, but for what systems leave in any."""
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:  # it may not be read: then it is not ours
        return {str(error)}
    return {name for name in names if not name.startswith(".") and name not in LEFT_BY_SYSTEMS}
