"""Where MedSSL keeps its files. Standard library only: Slicer's process asks here for a running server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from medssl.core.files import disk_errors

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


def _user_data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "MedSSL"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "MedSSL"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "medssl"
