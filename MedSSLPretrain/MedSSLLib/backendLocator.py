"""Finds the Python package `medssl` that came with the extension."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def backendFolder() -> Path:
    """The folder with pyproject.toml and src/medssl: in the source tree, or beside the built or installed modules.

    Raises:
        FileNotFoundError: the extension was copied without its backend.
    """
    modules = Path(__file__).resolve().parents[1]
    candidates = [modules / "MedSSLBackend", modules.parent / "backend"]
    for folder in candidates:
        if (folder / "src" / "medssl" / "core" / "protocol.py").is_file():
            return folder
    raise FileNotFoundError(f"medssl is missing in {' and '.join(map(str, candidates))}; install the extension again")


def addToPath() -> None:
    """Put the package on `sys.path` unless it can be imported already."""
    if importlib.util.find_spec("medssl") is None:
        sys.path.append(str(backendFolder() / "src"))
