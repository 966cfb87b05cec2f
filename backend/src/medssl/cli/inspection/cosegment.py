"""`medssl cosegment` and `medssl patchmap`: which patches of several radiographs are alike?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import Images, Inverted, View, references, run_into, show
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Home
from medssl.core.requests import CosegmentRequest, PatchmapRequest

Untrained = Annotated[bool, typer.Option(help="Beside it what the same network shows before any training.")]


@with_options(CosegmentRequest, "compare_untrained")
def cosegment(
    images: Images,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("parts"),
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    untrained: Untrained = True,
    home: Home = None,
    **options: Any,
) -> None:
    """Find parts of equal anatomy in several radiographs: a label map per image with common labels."""
    asked = CosegmentRequest(references(images, view, inverted), compare_untrained=untrained, **options)
    shares = (f"share_{n}" for n in range(len(images)))
    show(run_into("cosegment", asked, output, home), ("part", "colour", "images", *shares), output)


@with_options(PatchmapRequest, "compare_untrained")
def patchmap(
    images: Images,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("patchmap"),
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    untrained: Untrained = True,
    home: Home = None,
    **options: Any,
) -> None:
    """Lay the patches of radiographs out in a plane, alike ones together, coloured by place."""
    asked = PatchmapRequest(references(images, view, inverted), compare_untrained=untrained, **options)
    show(run_into("patchmap", asked, output, home), (), output)
