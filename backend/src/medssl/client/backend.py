"""Finding, starting and ending a local server. Standard library only; `read_address` never waits for a network."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import ResourceError
from medssl.core.home import NEUTRAL_FOLDER, home_folder, make_home

FOREIGN = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "QT_PLUGIN_PATH",
)
HEALTH_TIMEOUT_S = 2.0
POLL_S = 0.1


@dataclass(frozen=True)
class ServerAddress:
    """Where a server is and what opens it."""

    url: str  # without a final slash, e.g. http://127.0.0.1:40123
    token: str
    pid: int = 0
    started: float = 0.0

    def __repr__(self) -> str:  # a token does not belong into logs
        return f"ServerAddress(url={self.url!r}, pid={self.pid})"


def read_address(home: str | os.PathLike[str] | None = None) -> ServerAddress | None:
    """What `server.json` says; the server may have died since."""
    try:
        values = json.loads((home_folder(home) / "server.json").read_text("utf-8"))
        return ServerAddress(values["url"], values["token"], values["pid"], values["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(home: str | os.PathLike[str] | None = None) -> ServerAddress | None:
    """The address of the server that runs over the home folder and answers, or None."""
    address = read_address(home)
    return address if address and is_healthy(address) else None


def is_healthy(address: ServerAddress) -> bool:
    """Whether a MedSSL server answers there."""
    try:
        return _ask(address, "GET", "/health").get("app") == "medssl"
    except (OSError, ValueError, AttributeError):
        return False


def start_command(python: str | os.PathLike[str], home: str | os.PathLike[str]) -> list[str]:
    """The argument list that starts a server with that Python."""
    return [os.fspath(python), "-m", "medssl.server.serve", "--home", os.fspath(home)]


def environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """A child's environment without what Slicer sets for its own Python and libraries."""
    kept = {name: value for name, value in base.items() if name not in FOREIGN}
    return {**kept, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def start(
    python: str | os.PathLike[str],
    home: str | os.PathLike[str] | None = None,
    timeout_s: float = 30.0,
    base: Mapping[str, str] = os.environ,
) -> ServerAddress:
    """Start a server, detached, and wait until it answers; one that runs already is taken.

    Raises:
        ResourceError: it cannot be started; the error quotes the last line of `server.log`.
    """
    folder = home_folder(home)
    if (running := find(folder)) is not None:
        return running
    make_home(folder)
    with (folder / "server.log").open("wb") as log:
        child = _launch(start_command(python, folder), log, environment(base))
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (address := find(folder)) is not None:
            return address
        if child.poll() is not None:
            raise why_not(folder, python)
        time.sleep(POLL_S)
    child.kill()
    child.wait()
    raise ResourceError(
        f"backend with {python}",
        f"did not answer within {timeout_s:.0f} s",
        f"Look into {folder / 'server.log'}",
        code="backend-silent",
    )


def why_not(home: Path, python: str | os.PathLike[str]) -> ResourceError:
    """Why a server that was started has ended: the last line of `server.log`, with what helps."""
    log = home / "server.log"
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.is_file() else []
    last = lines[-1] if lines else "no message"
    remedy = f"Look into {log}"
    if "No module named" in last:
        remedy = "Install MedSSL into that environment (pip install medssl), or choose another one"
    return ResourceError(f"backend with {python}", f"cannot be started ({last})", remedy, code="backend-unstartable")


def stop(address: ServerAddress) -> None:
    """Ask the server to end; jobs go on.

    Raises:
        ResourceError: it does not answer.
    """
    try:
        _ask(address, "POST", "/shutdown")
    except (OSError, ValueError) as error:
        raise ResourceError(
            f"backend at {address.url}", "does not answer", "It may have ended already", code="backend-silent"
        ) from error


def _launch(command: list[str], log: Any, env: dict[str, str]) -> subprocess.Popen[bytes]:
    flags: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":
        flags = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=NEUTRAL_FOLDER,
            env=env,
            **flags,
        )
    except OSError as error:
        raise ResourceError(
            command[0], f"cannot be run ({error.strerror})", "Choose a Python executable", code="backend-not-startable"
        ) from error


def _ask(address: ServerAddress, method: str, path: str) -> Any:
    request = urllib.request.Request(address.url + path, method=method)
    if path != "/health":
        request.add_header("Authorization", f"Bearer {address.token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback goes through no proxy
    with opener.open(request, timeout=HEALTH_TIMEOUT_S) as answer:
        return json.loads(answer.read())
