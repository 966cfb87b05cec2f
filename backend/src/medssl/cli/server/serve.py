"""`medssl serve`: the HTTP server that Slicer talks to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.options import Home
from medssl.core.home import home_folder
from medssl.server.gate.rate import RATE
from medssl.server.worker_process import SILENCE_S


def serve(
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; any but loopback needs a certificate, or TLS or a tunnel before it."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    allow_host: Annotated[
        list[str], typer.Option(help="Name by which clients may call this machine; repeatable.")
    ] = [],  # noqa: B006
    upload_limit: Annotated[float, typer.Option(help="Upload limit in GiB.")] = 8.0,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of a certificate: serve with TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of its key, without a password.")] = None,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests per second that each named token may make for long; 0: no limit.")
    ] = RATE,
    inspection_silence: Annotated[
        float, typer.Option(min=1, help="Seconds after which an inspection that reports nothing is ended.")
    ] = SILENCE_S,
    home: Home = None,
) -> None:
    """Serve the home folder to Slicer and other clients; address and token are left in its server.json."""
    from medssl.server.serve import serve as run

    run(
        home_folder(home), host, port, hosts=tuple(allow_host), upload_limit=int(upload_limit * 2**30),
        certificate=certificate, key=key, rate=rate, silence_s=inspection_silence,
    )  # fmt: skip
