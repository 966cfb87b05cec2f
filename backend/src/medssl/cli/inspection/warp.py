"""`medssl warp`: one radiograph bent onto another by points of equal anatomy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import Inverted, View, references, run_into, show
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Home
from medssl.cli.output import out
from medssl.core.requests import WarpRequest
from medssl.core.tables import read_table

POINT_COLUMNS = ("x", "y", "target_x", "target_y")


@with_options(WarpRequest, "images", "points")
def warp(
    image: Annotated[Path, typer.Argument(help="Radiograph that is bent.")],
    target: Annotated[Path, typer.Argument(help="Radiograph that it is bent onto.")],
    points: Annotated[
        Path | None, typer.Option(help="CSV with columns x, y, target_x, target_y (pixels) of points known in both.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("warp"),
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    home: Home = None,
    **options: Any,
) -> None:
    """Bend one radiograph onto another by points that a model finds in both, or that you know."""
    rows = tuple(read_table(points, POINT_COLUMNS).rows) if points else ()
    asked = WarpRequest(references([image, target], view, inverted), points=rows, **options)
    result = run_into("warp", asked, output, home)
    out.print(result.info["text"], highlight=False, markup=False)
    show(result, (), output)
