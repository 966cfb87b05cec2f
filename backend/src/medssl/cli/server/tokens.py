"""`medssl tokens …`: who else may use the server over a home folder."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from medssl.cli.help import verb
from medssl.cli.options import AsJson, Home
from medssl.cli.output import err, print_json, print_table
from medssl.core.home import home_folder
from medssl.server.gate.tokens import LOOK, ROLES, TokenFile

app = typer.Typer(help="Make, list and revoke tokens for further people.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Whose token it is.")]


@verb(app, "add", 'medssl tokens add "Ada L." --role look')
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="; ".join(f"{role}: {what}" for role, what in ROLES.items()) + ".")] = LOOK,
    home: Home = None,
) -> None:
    """Make a token and print it, this once; a running server takes it at once.

    It goes into the panel's Backend section, beside the server's address.
    """
    token = TokenFile(home_folder(home)).add(name, role)
    err.print("Only its hash is kept: it cannot be shown again.")
    print(token)


@verb(app, "list", "medssl tokens list")
def list_tokens(as_json: AsJson = False, home: Home = None) -> None:
    """List who has a token, and what it opens."""
    holders = TokenFile(home_folder(home)).read()
    if as_json:
        print_json([{"name": one.name, "role": one.role, "id": one.id, "created": one.created} for one in holders])
        return
    rows = [(one.name, one.role, one.id, time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.created))) for one in holders]
    print_table(("name", "role", "id", "made (UTC)"), rows, names=2)


@verb(app, "revoke", 'medssl tokens revoke "Ada L."')
def revoke(name: Name, home: Home = None) -> None:
    """Make a token useless, at once, also in a running server."""
    TokenFile(home_folder(home)).revoke(name)
