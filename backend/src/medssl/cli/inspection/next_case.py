"""`medssl next`: which image is worth labelling next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from medssl.cli.inspection.radiographs import run_into
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import AsJson, Exclude, Home, Modality, Pattern
from medssl.cli.output import err, out, print_json, print_table
from medssl.cli.training_set import data_spec
from medssl.core.requests import NextCaseRequest
from medssl.core.tables import write_table

SHOWN = ("rank", "name", "score", "uncertainty", "represents")


@with_options(NextCaseRequest, "data", "labelled", "count")
def next_case(
    images: Annotated[
        list[str],
        typer.Argument(help="Images, a folder or a catalogue CSV: those without a label map are the candidates."),
    ],
    labelled: Annotated[
        list[str],
        typer.Option(
            help="Labelled images, a folder or a catalogue CSV; none: those that the model's job learnt from; repeatable."
        ),
    ] = [],  # noqa: B006
    count: Annotated[int, typer.Option(help="Cases wanted; 0: all.")] = 10,
    csv: Annotated[
        Optional[Path],  # noqa: UP045  typer reads the annotation at run time, on Python 3.10 too
        typer.Option("--csv", help="File that takes the table."),
    ] = None,
    pattern: Pattern = "",
    modality: Modality = "",
    exclude: Exclude = [],  # noqa: B006
    as_json: AsJson = False,
    home: Home = None,
    **options: Any,
) -> None:
    """Rank unlabelled images: what the model is unsure of, and what stands for many others, comes first.

    Uncertainty is the width of the doubtful border (mm) of a segmentation model's prediction: the entropy of its probabilities,
    averaged over mirrored copies where it was trained with such, over the surface that it draws. An image stands for others as
    far as a label of it would bring a labelled one nearer to them, by the model's embeddings; the table gives their share. Both
    count by their ranks. Any model that gives embeddings, and no model at all (image statistics), rank by the latter alone.
    """
    data = data_spec(images, pattern, modality, validation_fraction=0.2, exclude=exclude)
    known = (data_spec(labelled, "", modality, validation_fraction=0.2),) if labelled else ()
    result = run_into("next_case", NextCaseRequest(data, known, count=count, **options), None, home)
    if csv is not None:
        write_table(result.table, csv)
    if as_json:
        print_json(result.table)
        return
    print_table(SHOWN, [["" if row[name] is None else row[name] for name in SHOWN] for row in result.table], names=2)
    for row in result.table:
        out.print(f"{row['rank']}. {row['name']}: {row['why']}.", highlight=False, markup=False)
    info = result.info
    err.print(
        f"{info['candidates']} candidates, {info['labelled']} labelled images, compared by {info['by']}",
        highlight=False,
    )
