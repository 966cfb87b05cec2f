"""`medssl data check`: is this a usable training set?"""

from __future__ import annotations

from typing import Annotated

import typer

from medssl.cli.options import Home
from medssl.cli.output import err, print_table
from medssl.cli.pretrain import data_spec
from medssl.home import home_folder
from medssl.protocol import CatalogRequest, to_json

app = typer.Typer(help="Look at training sets.", no_args_is_help=True)


@app.command()
def check(
    data: Annotated[list[str], typer.Argument(help="A folder, a catalogue CSV, or image files.")],
    pattern: Annotated[str, typer.Option(help="Glob below the folder.")] = "",
    modality: Annotated[str, typer.Option(help="CT or MR, where the files do not say.")] = "",
    validation_fraction: Annotated[float, typer.Option(help="Share of the patients kept for validation.")] = 0.2,
    home: Home = None,
) -> None:
    """Read every volume into the cache and say what is there."""
    from medssl.inspection.local import run_here

    request = CatalogRequest(data_spec(data, pattern, modality, validation_fraction))
    with err.status("reading") as status:
        result = run_here(
            "catalog",
            to_json(request),
            home_folder(home),
            None,
            lambda share, text: status.update(f"{share:.0%} {text}"),
        )
    print_table(("", ""), result.info.items())
    if result.table:
        columns = list(result.table[0])
        print_table(columns, [[row[name] for name in columns] for row in result.table])
