"""`medssl match`: the same anatomy in two or more CTs or MRs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import run_into, show
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Home
from medssl.cli.output import out
from medssl.core.errors import InputError
from medssl.core.protocol import VolumeRef
from medssl.core.requests import CorrespondVolumesRequest

SAYS = "confidence: how far a match stands out from the next best place; way_back: mm from the point to where the match leads back"


@with_options(CorrespondVolumesRequest, "points", "compare_untrained", "map_of")
def match(
    volumes: Annotated[list[Path], typer.Argument(help="CTs or MRs: DICOM, NRRD, NIfTI; points lie in the first.")],
    at: Annotated[
        list[str],
        typer.Option(
            help="Point R,A,S of the first volume in mm, as Slicer shows it; repeatable. Without any, places are chosen."
        ),
    ] = [],  # noqa: B006
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("correspondences"),
    untrained: Annotated[bool, typer.Option(help="Beside it what the same network finds before any training.")] = False,
    home: Home = None,
    **options: Any,
) -> None:
    """Find what lies at points of one CT or MR in others: table, picture, and a similarity map per point and volume."""
    refs = tuple(VolumeRef(path=str(path)) for path in volumes)
    asked = CorrespondVolumesRequest(refs, points=tuple(map(parse_place, at)), compare_untrained=untrained, **options)
    columns = ("label", "name", "by", "r", "a", "s", "similarity", "confidence", "way_back")
    show(run_into("correspond_volumes", asked, output, home, "match"), columns, output)
    out.print(SAYS, highlight=False)


def parse_place(text: str) -> tuple[float, float, float]:
    """Read `R,A,S`.

    Raises:
        InputError: another form.
    """
    try:
        r, a, s = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"--at {text}", "is no place", "Write R, A and S in mm, as in --at -32.5,10,140", code="not-a-point"
        ) from error
    return r, a, s
