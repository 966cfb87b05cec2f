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
Settings = Annotated[list[str], typer.Option("--set", help="Override a setting: --set training.steps=500; repeatable.")]
Config = Annotated[str, typer.Option(help="YAML or JSON file with settings (over the preset, under --set).")]
Labels = Annotated[
    str, typer.Option(help='Label columns: "Pneumonia", "Effusion,Edema", "Abnormal=Mass|Nodule", "!No Finding".')
]
Pattern = Annotated[str, typer.Option(help='Glob below the folder, e.g. "*/ct.nii.gz".')]
Masks = Annotated[str, typer.Option(help='Where label maps lie, e.g. "{folder}/../labels/{stem}.nii.gz".')]
Modality = Annotated[str, typer.Option(help="CT, MR or CXR, where the files do not say.")]
Validation = Annotated[
    float, typer.Option(help="Share of the patients kept for validation, which chooses the weights.")
]
Test = Annotated[
    float, typer.Option(help="Share of the patients kept for the final measurement, where the catalogue names none.")
]
PartialWeights = Annotated[bool, typer.Option(help="Accept weights that match only in part.")]
Name = Annotated[str, typer.Option(help="A name to find the job by.")]
Detach = Annotated[bool, typer.Option(help="Print the job's id and return at once.")]
