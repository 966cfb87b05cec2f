"""Where MedSSL keeps its files. Standard library only: Slicer's process asks here for a running server."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar, cast

from medssl.core.files import disk_errors, split_choice

T = TypeVar("T")
FOLDERS = ("jobs", "volumes", "samples", "models")  # of a home, whose names are given by MedSSL or hardly met elsewhere

# Python puts the folder in which `-m` and `-c` start first on its import path, and so do the processes that it makes in turn
# (DataLoader, Fabric). A job folder or the home may come from elsewhere, so no child starts there: what lies in them is data.
NEUTRAL_FOLDER = Path(__file__).resolve().parent / "neutral"


def home_folder(path: str | os.PathLike[str] | None = None) -> Path:
    """The home folder: `path`, else `$MEDSSL_HOME`, else the user's data folder. It need not exist yet."""
    chosen = path or os.environ.get("MEDSSL_HOME") or _user_data_folder()
    return Path(chosen).expanduser().resolve()


def make_home(folder: Path) -> Path:
    """Make the home folder where it is missing, for its owner alone: it will hold images of patients.

    Raises:
        ResourceError: it cannot be made there.
    """
    if not folder.is_dir():
        with disk_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def in_home(path: str, home: Path) -> str:
    """A path that was recorded below a home folder, as it is now that the home was copied to another place or machine.

    What lies in this home at the same place below `jobs`, `volumes`, `samples` or `models` is meant. Of any other path the
    longest end that lies in this home is, if nothing is where it points; else it stays as it is.
    """
    parts = [part for part in re.split(r"[\\/]", path) if part]
    if (
        len(parts) < 3
        or ".." in parts
        or not (PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute())
    ):
        return path
    known = [n for n, part in enumerate(parts[:-1]) if part in FOLDERS]
    ends = known or (range(1, len(parts) - 1) if not split_choice(path)[0].exists() else ())
    found = next((there for n in ends if split_choice(there := home.joinpath(*parts[n:]))[0].exists()), None)
    return str(found) if found else path


def all_in_home(value: T, home: Path) -> T:
    """JSON with every path that it holds, at any depth, as `in_home` gives it."""
    if isinstance(value, str):
        return cast(T, in_home(value, home))
    if isinstance(value, dict):
        return cast(T, {name: all_in_home(one, home) for name, one in value.items()})
    if isinstance(value, list):
        return cast(T, [all_in_home(one, home) for one in value])
    return value


def _user_data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "MedSSL"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "MedSSL"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "medssl"
