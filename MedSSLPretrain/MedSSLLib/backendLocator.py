"""Finds the Python package `medssl`; importing this file makes `import medssl...` work in Slicer's Python."""

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
        if (folder / "src" / "medssl" / "protocol.py").is_file():
            return folder
    raise FileNotFoundError(f"medssl is missing in {' and '.join(map(str, candidates))}; install the extension again")


def addToPath() -> None:
    """Put the package on `sys.path` unless it can be imported already."""
    if importlib.util.find_spec("medssl") is None:
        sys.path.append(str(backendFolder() / "src"))


def localTransport():
    """A blocking transport to the local backend, for console and batch; the backend is started where none runs.

    Raises:
        ResourceError: it cannot be started, and why.
    """
    from medssl.client.transport import RequestsTransport
    from MedSSLLib.backendProcess import startAndWait

    return RequestsTransport(startAndWait())


addToPath()
