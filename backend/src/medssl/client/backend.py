"""Finding, starting and ending a local server. Standard library only; `read_address` never waits for a network."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from medssl.client import api
from medssl.core.errors import AccessError, MedSSLError, ResourceError
from medssl.core.home import NEUTRAL_FOLDER, home_folder, make_home
from medssl.server import ALREADY_RUNS

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
LONGEST_ANSWER = 2**16
LONGEST_LOG = 2**20  # bytes of server.log, which is begun anew beyond
LOOPBACK = ("http://127.", "https://127.", "http://[::1]", "https://[::1]", "http://localhost", "https://localhost")
NO_IMPORT = ("No module named", "ImportError")  # the environment is at fault
POLL_S = 0.1


@dataclass(frozen=True)
class ServerAddress:
    """Where a server is and what opens it."""

    url: str  # without a final slash, e.g. http://127.0.0.1:40123
    token: str
    pid: int = 0
    started: float = 0.0
    proof: bool = True  # it shows that it knows the token before it gets it; servers before 0.2 cannot
    certificate: str = ""  # PEM file that it must answer with; "": one that this machine trusts
    host: str = ""  # the machine it runs on; "": a server of an earlier version

    def __repr__(self) -> str:  # a token does not belong into logs
        return f"ServerAddress(url={self.url!r}, pid={self.pid})"


def read_address(home: str | os.PathLike[str] | None = None) -> ServerAddress | None:
    """What `server.json` says; the server may have died since, or run on another machine that shares the home folder."""
    try:
        values = json.loads((home_folder(home) / "server.json").read_text("utf-8"))
        # Only the owner can write the file, so nobody else can say that a server need not prove itself.
        proof, certificate = bool(values.get("proof", False)), str(values.get("certificate", ""))
        return ServerAddress(
            str(values["url"]), values["token"], values["pid"], values["started"], proof=proof, certificate=certificate,
            host=str(values.get("host", "")),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_elsewhere(address: ServerAddress) -> bool:
    """Whether that seems to be the loopback address of another machine. It is tried all the same: laptops change their names."""
    return address.host not in ("", socket.gethostname()) and address.url.startswith(LOOPBACK)


def find(home: str | os.PathLike[str] | None = None) -> ServerAddress | None:
    """The address of the server that runs over the home folder and answers, or None."""
    address = read_address(home)
    return address if address and is_healthy(address) else None


def alive(address: ServerAddress) -> api.Call:
    """The call that a running server answers well, without getting a token: one that proves that it knows it."""
    return api.proof(address.token) if address.proof else api.health()


def is_healthy(address: ServerAddress) -> bool:
    """Whether the server of that address answers there, and no other one that took its port."""
    try:
        answer = _ask(address, alive(address))
    except (OSError, ValueError, MedSSLError):
        return False
    return answer is True or (isinstance(answer, dict) and answer.get("app") == "medssl")


def pinned(certificate: str) -> ssl.SSLContext:
    """TLS that takes this certificate alone, also a self-made one and one for other names.

    Raises:
        OSError: the file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # itself is enough, whoever signed it
    context.load_verify_locations(certificate)
    return context


def start_command(python: str | os.PathLike[str], home: str | os.PathLike[str]) -> list[str]:
    """The argument list that starts a server with that Python."""
    return [os.fspath(python), "-m", "medssl.server", "--home", os.fspath(home)]


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
    """Start a server, detached, and wait until it answers; one that runs already, or that another start brings up, is taken.

    Raises:
        ResourceError: it cannot be started; the error quotes the last line of `server.log`.
    """
    folder = home_folder(home)
    if (running := find(folder)) is not None:
        return running
    make_home(folder)
    with open_log(folder) as log:
        since = log.seek(0, os.SEEK_END)
        child = _launch(start_command(python, folder), log, environment(base))
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (address := find(folder)) is not None:
            return address
        if not may_come(child.poll(), folder):
            raise why_not(folder, python, since)
        time.sleep(POLL_S)
    if child.poll() is not None:
        raise why_not(folder, python, since)
    child.kill()
    child.wait()
    raise ResourceError(
        f"backend with {python}",
        f"did not answer within {timeout_s:.0f} s",
        f"Look into {folder / 'server.log'}",
        code="backend-silent",
    )


def open_log(home: Path) -> BinaryIO:
    """`server.log`, to be appended to: a server that runs, or another start, may be writing it."""
    log = (home / "server.log").open("ab")
    if log.seek(0, os.SEEK_END) > LONGEST_LOG:
        log.truncate(0)
        log.seek(0)  # for Windows, where a child writes where its parent was
    return log


def may_come(status: int | None, home: Path) -> bool:
    """Whether a server may yet answer after a start whose process ended with that status; None: it goes on.

    Of two starts at once one is refused, and the other one's server comes up.
    """
    if status != ALREADY_RUNS:
        return status is None
    address = read_address(home)
    return address is None or not is_elsewhere(address)


def why_not(home: Path, python: str | os.PathLike[str], since: int = 0) -> ResourceError:
    """Why a server that was started has ended: the last line of `server.log`, with what helps.

    Args:
        since: how long the log was before.
    """
    log = home / "server.log"
    said = log.read_bytes() if log.is_file() else b""
    lines = said[since if since <= len(said) else 0 :].decode("utf-8", "replace").strip().splitlines()
    last = lines[-1] if lines else "no message"
    remedy = f"Look into {log}"
    if any(words in last for words in NO_IMPORT):
        remedy = "Install MedSSL into that environment (pip install medssl), or choose another one"
    return ResourceError(f"backend with {python}", f"cannot be started ({last})", remedy, code="backend-unstartable")


def stop(address: ServerAddress) -> None:
    """Ask the server to end; jobs go on.

    Raises:
        ResourceError: it does not answer, or does not know its token.
    """
    try:
        if address.proof:
            _ask(address, api.proof(address.token))
        _ask(address, api.shutdown())
    except (OSError, ValueError, AccessError) as error:
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


def _ask(address: ServerAddress, call: api.Call) -> Any:
    request = urllib.request.Request(address.url + call.path, method=call.method)
    if not call.open:
        request.add_header("Authorization", f"Bearer {address.token}")
    handlers: list[Any] = [urllib.request.ProxyHandler({}), _NoRedirect()]  # loopback goes through no proxy
    if address.certificate:
        handlers.append(urllib.request.HTTPSHandler(context=pinned(address.certificate)))
    with urllib.request.build_opener(*handlers).open(request, timeout=HEALTH_TIMEOUT_S) as answer:
        return call.parse(answer.status, answer.read(LONGEST_ANSWER))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for this address alone."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""
