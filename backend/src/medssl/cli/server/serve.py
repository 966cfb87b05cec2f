"""`medssl serve`: the HTTP server that Slicer talks to."""

from __future__ import annotations

from typing import Annotated

import typer

from medssl.cli.options import Home
from medssl.core.home import home_folder


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but loopback needs TLS or a tunnel before it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free port.")] = 0,
    allow_host: Annotated[list[str], typer.Option(help="A name clients may call this machine by; repeatable.")] = [],  # noqa: B006
    upload_limit: Annotated[float, typer.Option(help="Largest upload, in GiB.")] = 8.0,
    home: Home = None,
) -> None:
    """Serve the home folder; address and token are left in its server.json."""
    from medssl.server.serve import serve as run

    run(home_folder(home), host, port, hosts=tuple(allow_host), upload_limit=int(upload_limit * 2**30))
