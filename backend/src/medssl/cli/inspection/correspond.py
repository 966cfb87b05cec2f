"""`medssl correspond` and `medssl similarity`: the same anatomy in several radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import Images, Inverted, View, references, run_into, show
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Home
from medssl.cli.output import out
from medssl.core.errors import InputError
from medssl.core.requests import CorrespondRequest, SimilarityRequest

CONFIDENCE = "confidence: how far a match stands out from the next best place: 0 that is as alike, 1 nothing else is"


@with_options(CorrespondRequest)
def correspond(
    images: Images,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("correspondences"),
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    home: Home = None,
    **options: Any,
) -> None:
    """Find places of equal anatomy in two or more radiographs; the first is the reference."""
    asked = CorrespondRequest(references(images, view, inverted), **options)
    show(run_into("correspond", asked, output, home), ("label", "name", "x", "y", "confidence"), output)
    out.print(CONFIDENCE, highlight=False)


@with_options(SimilarityRequest, "x", "y", "files")
def similarity(
    images: Images,
    at: Annotated[str, typer.Option(help="Point X,Y in pixels: column and row, counted from 0.")],
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("similarity"),
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    home: Home = None,
    **options: Any,
) -> None:
    """Find what lies at a point of one radiograph in the others: heat maps and best matches."""
    x, y = parse_point(at)
    asked = SimilarityRequest(references(images, view, inverted), x=x, y=y, files=True, **options)
    show(run_into("similarity", asked, output, home), ("name", "x", "y", "confidence"), output)
    out.print(CONFIDENCE, highlight=False)


def parse_point(text: str) -> tuple[float, float]:
    """Read `X,Y`.

    Raises:
        InputError: another form.
    """
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"--at {text}", "is no point", "Write column and row, as in --at 210,145", code="not-a-point"
        ) from error
    return x, y
