"""`medssl correspond` and `medssl similarity`: the same anatomy in several radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.inspection.radiographs import Images, Inverted, Model, Part, Seed, View, references, run_into, show
from medssl.cli.options import Device, Home
from medssl.core.errors import InputError
from medssl.core.requests import CorrespondRequest, SimilarityRequest


def correspond(
    images: Images,
    model: Model,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("correspondences"),
    count: Annotated[int, typer.Option(help="Places wanted.")] = 12,
    dense: Annotated[int, typer.Option(help="Descriptors along a side of a cell: 1, 2 or 4.")] = 1,
    seed: Seed = 0,
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    part: Part = "",
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Find places of equal anatomy in two or more radiographs; the first is the reference."""
    asked = CorrespondRequest(references(images, view, inverted), model, count, dense, seed, part, device=device)
    result = run_into("correspond", asked, output, home)
    show(result, ("label", "name", "x", "y", "similarity", "confidence"), output)


def similarity(
    images: Images,
    model: Model,
    at: Annotated[str, typer.Option(help="The point X,Y in pixels: column and row, counted from 0.")],
    source: Annotated[int, typer.Option(help="Number of the image that the point lies in, counted from 0.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("similarity"),
    dense: Annotated[int, typer.Option(help="Descriptors along a side of a cell: 1, 2 or 4.")] = 2,
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    part: Part = "",
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Find what lies at a point of one radiograph in the others: heat maps and best matches."""
    x, y = parse_point(at)
    asked = SimilarityRequest(
        references(images, view, inverted), model, x, y, source, dense, files=True, part=part, device=device
    )
    result = run_into("similarity", asked, output, home)
    show(result, ("name", "x", "y", "similarity", "runner_up_similarity", "confidence"), output)


def parse_point(text: str) -> tuple[float, float]:
    """Read `X,Y`.

    Raises:
        InputError: another form.
    """
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--at {text}", "is no point", "Write column and row, as in --at 210,145") from error
    return x, y
