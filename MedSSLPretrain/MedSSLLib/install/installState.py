"""What an environment made by the panel has so far: a small file in it, so that a cancelled installation goes on later."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medssl.core.files import read_json, write_json

FILE = "medssl-environment.json"
FORMAT = 1


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


def isOurs(folder: Path) -> bool:
    """Whether a folder may be deleted: the panel has made it."""
    return (folder / FILE).is_file() or (folder / "pyvenv.cfg").is_file()
