"""Run the server: `medssl serve`, or `python -m medssl.server` where a quick start counts."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import os
import secrets
import signal
import socket
import ssl
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from anyio import to_thread
from filelock import FileLock, Timeout

from medssl.core.allocator import return_memory
from medssl.core.errors import InputError, MedSSLError, ResourceError, StateError
from medssl.core.files import read_json, write_json
from medssl.core.home import home_folder, make_home
from medssl.jobs.liveness import hold
from medssl.server import ALREADY_RUNS
from medssl.server.app import create_app
from medssl.server.gate.access import LOOPBACK
from medssl.server.gate.connections import ConnectionLimits, guarded
from medssl.server.gate.rate import RATE

ANYWHERE = ("0.0.0.0", "::")
HANDSHAKE_S = 10.0
AT_ONCE = 8  # connections that are taken in one turn of the loop: each needs a file before it has a place
QUEUE = 1024  # connections that the system lets wait
OPEN_FILES = 4096
THREADS = 8  # more only keep each other, and the event loop, from Python's one lock


def serve(
    home: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    hosts: tuple[str, ...] = (),
    certificate: Path | None = None,
    key: Path | None = None,
    limits: ConnectionLimits | None = None,
    **options: Any,
) -> None:
    """Serve the home folder until `POST /shutdown`, Ctrl-C or SIGTERM. Running jobs go on afterwards.

    Args:
        home: the home folder; `server.json` in it (owner-only) holds address and token while the server runs.
        host: address to listen on. Anything but loopback travels unencrypted without a certificate.
        port: 0 takes a free one.
        hosts: further names that clients may call this machine by.
        certificate, key: PEM files, for TLS; the certificate first in its file, then those that lead to its root.
        limits: of the connections; by default as many as the system's limit of open files allows.
        options: further arguments of `create_app`.

    Raises:
        InputError: one of certificate and key is missing, or they are no pair.
        ResourceError: the port is taken, the address is not one of this machine's, or the home's disk has no locks.
        StateError: a server is already running over this home folder.
    """
    return_memory(above=128 * 1024, heaps=2)  # pieces of uploads, which glibc would keep, in a heap for each thread
    make_home(home)
    tls = _certificate(certificate, key)
    try:
        files = _raise_open_files()
        limits = limits or ConnectionLimits(strangers=min(512, files // 4), known=min(448, files // 4))
        with hold(FileLock(home / "server.lock"), 0), _listen(host, port) as listening:
            _serve_on(listening, home, host, hosts, tls, limits, **options)
    except Timeout:
        raise _already_runs(home) from None


def _already_runs(home: Path) -> StateError:
    """The refusal to serve a home folder that has a server, maybe on another machine that shares it."""
    address = _address(home)
    where, remedy = str(address.get("url", "an unknown address")), "Use that one or end it"
    if (machine := address.get("host")) and machine != socket.gethostname():
        where, remedy = f"{where} on {machine}", f"End it on {machine}, or set MEDSSL_HOME to a folder of this machine"
    return StateError(f"home folder {home}", f"already has a server at {where}", remedy, code="server-running")


def _serve_on(
    listening: socket.socket, home: Path, host: str, hosts: tuple[str, ...], tls: dict[str, Any],
    limits: ConnectionLimits, **options: Any,
) -> None:  # fmt: skip
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(32)
    url = f"{'https' if tls else 'http'}://{_shown(host)}:{port}"
    answering = tuple(name.lower() for name in (host, *hosts, *([socket.gethostname()] if host in ANYWHERE else [])))
    server: uvicorn.Server | None = None

    def shutdown() -> None:
        assert server is not None
        server.should_exit = True

    app = create_app(home, token, hosts=answering, shutdown=shutdown, **options)
    config = uvicorn.Config(
        app, http=guarded(limits), ws="none", log_level="warning", access_log=False, timeout_graceful_shutdown=5,
        proxy_headers=False,  # what they say of a client is anybody's word
        backlog=AT_ONCE,
        **tls,
    )  # fmt: skip
    server = _Server(config)
    gc.freeze()  # what stands until the end need not be looked through again
    gc.enable()
    own = {"host": socket.gethostname(), "pid": os.getpid()}
    address = {"url": url, "token": token, **own, "started": time.time(), "proof": True}
    if tls:
        address["certificate"] = tls["ssl_certfile"]  # clients of this home take this one and no other
    write_json(home / "server.json", address, mode=0o600)
    print(f"MedSSL serves {home} at {url} (token in {home / 'server.json'})", flush=True)
    if host not in LOOPBACK and not tls:
        print(
            "Beyond this machine the connection is not encrypted: use --certificate, a proxy with TLS, or an SSH tunnel.",
            flush=True,
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises it again once it has ended well
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # Ctrl-C or SIGTERM: the usual way to end a server
    finally:
        if own.items() <= _address(home).items():  # where locks do not hold, it may be that of a later server
            (home / "server.json").unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """uvicorn's server, where a client has little time for the handshake of TLS, too: before it no connection has a place."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        if self.config.is_ssl:
            loop = asyncio.get_running_loop()
            loop.create_server = partial(loop.create_server, ssl_handshake_timeout=HANDSHAKE_S)  # type: ignore[method-assign]
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(QUEUE)  # asyncio has made it as short as what it takes at once


def _certificate(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """uvicorn's settings for TLS; none without a certificate."""
    if certificate is None and key is None:
        return {}
    if certificate is None or key is None:
        raise InputError(
            certificate or key, "needs the other one of certificate and key", "Give both", code="certificate-alone"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise InputError(
            f"certificate {certificate} with key {key}", f"cannot be used ({error})",
            "Give two PEM files that belong together, the key without a password", code="certificate-unusable",
        ) from error  # fmt: skip
    return {"ssl_certfile": str(Path(certificate).resolve()), "ssl_keyfile": str(Path(key).resolve())}


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only on sockets that say they are TCP; others hold them back for 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "nt":  # there, REUSEADDR would let two servers share one port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined]
    else:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        rule = (
            f"is taken ({error.strerror})" if taken else f"cannot be opened for listening ({error.strerror or error})"
        )
        raise ResourceError(
            f"{host}:{port}", rule, "Choose another port, or 0 for a free one", code="port-unavailable"
        ) from error
    listening.listen(QUEUE)  # from now on clients wait instead of being refused
    return listening


def _raise_open_files() -> int:
    """Open as many files as the system allows, and return how many that is: some start a program with room for 256."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return OPEN_FILES  # Windows has no such limit


def _shown(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _address(home: Path) -> dict[str, Any]:
    """What server.json says; nothing where it is missing or damaged."""
    try:
        found = read_json(home / "server.json")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="medssl.server")
    parser.add_argument("--home", type=Path, help="home folder (default: $MEDSSL_HOME or the user's data folder)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--allow-host", action="append", default=[], help="a further name clients may use for this machine"
    )
    parser.add_argument("--certificate", type=Path, help="PEM file, for TLS")
    parser.add_argument("--key", type=Path, help="PEM file of the certificate's key")
    parser.add_argument("--kinds", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--inspections", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    tables = {name: value for name in ("kinds", "inspections") if (value := getattr(options, name))}
    try:
        serve(
            home_folder(options.home), options.host, options.port, hosts=tuple(options.allow_host),
            certificate=options.certificate, key=options.key, rate=RATE, **tables,
        )  # fmt: skip
    except MedSSLError as error:
        print(error, file=sys.stderr)
        return ALREADY_RUNS if error.code == "server-running" else 1
    return 0
