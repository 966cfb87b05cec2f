"""Commands of inspections that have no file of their own here: everything follows from the line in `INSPECTIONS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import View, run_into, show
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Home
from medssl.core.protocol import VolumeRef
from medssl.core.registry import load
from medssl.handlers import INSPECTIONS


def add_commands(app: typer.Typer, **settings: Any) -> None:
    """Add `medssl <name>` for every inspection that has a command and is not there yet; `settings` as of `app.command`."""
    known = {command.name for command in app.registered_commands}
    for name, inspection in INSPECTIONS.items():
        if inspection.command and name not in known:
            app.command(name, help=inspection.summary, **settings)(generated(name))


def generated(name: str) -> Callable[..., None]:
    """A command with an option per field of the request, which prints the table and where the files are."""
    kind = load(INSPECTIONS[name].request)

    @with_options(kind)
    def command(
        output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path(name),
        view: View = "",
        inverted: Annotated[
            bool, typer.Option(help="Images whose high values are dark (DICOM says so itself).")
        ] = False,
        home: Home = None,
        **options: Any,
    ) -> None:
        def seen(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(seen, value))
            return replace(value, view=view, inverted=inverted) if isinstance(value, VolumeRef) else value

        request = kind(**{field: seen(value) for field, value in options.items()})
        result = run_into(name, request, output, home)
        show(result, tuple(result.table[0]) if result.table else (), output)

    return command
