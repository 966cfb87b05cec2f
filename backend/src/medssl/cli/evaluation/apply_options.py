"""Options of the verbs that apply a model to many images: segment, predict, embed, evaluate."""

from __future__ import annotations

from typing import Annotated

import typer

Images = Annotated[list[str], typer.Argument(help="Image files, a folder, or a catalogue CSV.")]
FineTuned = Annotated[str, typer.Option("--model", help="Fine-tuned model: a job's id or a weight file.")]
Findings = Annotated[
    list[str],
    typer.Option(
        "--finding",
        help='Finding asked of a pretrained Ark by name (the mean of the heads that know it), or with its heads: "TB=vindr:TB"; '
        "repeatable. Without: every class of every head.",
    ),
]
Heads = Annotated[list[str], typer.Option("--head", help="Head of a pretrained Ark that is asked alone; repeatable.")]
ModelPart = Annotated[str, typer.Option("--part", help="Part of weights that hold both: student, teacher, or auto.")]
Split = Annotated[
    str, typer.Option(help="Split of a catalogue to which the images belong: test, validation, training.")
]
Orientation = Annotated[
    str,
    typer.Option(help="Orientation of the model's training images, such as RAS, where its file does not record it."),
]
Spacing = Annotated[str, typer.Option(help="Spacing in mm that goes with the orientation: native, or 1,1,3.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Earlier results in the output are replaced.")]
