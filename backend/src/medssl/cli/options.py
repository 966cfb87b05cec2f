"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Home = Annotated[
    Optional[Path],  # noqa: UP045  typer reads the annotation at run time, on Python 3.10 too
    typer.Option(
        "--home", help="Home folder (default: $MEDSSL_HOME, else the user's data folder).", show_default=False
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Exclude = Annotated[
    list[str],
    typer.Option("--exclude", help="Leave out images by a column of the catalogue: view=LATERAL; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
