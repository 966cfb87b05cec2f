"""`medssl cosegment` and `medssl patchmap`: which patches of several radiographs are alike?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.inspection.radiographs import Images, Inverted, Model, Part, Seed, View, references, run_into, show
from medssl.cli.options import Device, Home
from medssl.core.requests import CosegmentRequest, PatchmapRequest


def cosegment(
    images: Images,
    model: Model,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("parts"),
    parts: Annotated[int, typer.Option(help="Clusters; 0 finds a number by an elbow rule.")] = 0,
    dense: Annotated[int, typer.Option(help="Descriptors along a side of a cell: 1, 2 or 4.")] = 2,
    seed: Seed = 0,
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    part: Part = "",
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Find parts of equal anatomy in several radiographs: a label map per image with common labels."""
    asked = CosegmentRequest(references(images, view, inverted), model, parts, dense, seed, part, device=device)
    result = run_into("cosegment", asked, output, home)
    show(result, ("part", "colour", "images", *(f"share_{n}" for n in range(len(images)))), output)


def patchmap(
    images: Images,
    model: Model,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("patchmap"),
    method: Annotated[str, typer.Option(help="tsne, pca, or umap (where umap-learn is installed).")] = "tsne",
    perplexity: Annotated[float, typer.Option(help="t-SNE: how many neighbours count.")] = 30.0,
    dense: Annotated[int, typer.Option(help="Descriptors along a side of a cell: 1, 2 or 4.")] = 1,
    seed: Seed = 0,
    view: View = "",
    inverted: Inverted = [],  # noqa: B006
    part: Part = "",
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Lay the patches of radiographs out in a plane, alike ones together, coloured by place."""
    asked = PatchmapRequest(
        references(images, view, inverted), model, method, dense, perplexity, seed, part, device=device
    )
    result = run_into("patchmap", asked, output, home)
    show(result, (), output)
