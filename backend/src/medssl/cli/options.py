"""Options that several verbs share. Each text begins with the noun that the option's value is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Home = Annotated[
    Optional[Path],  # noqa: UP045  typer reads the annotation at run time, on Python 3.10 too
    typer.Option(
        "--home", help="Home folder; without it $MEDSSL_HOME, else the user's data folder.", show_default=False
    ),
]
Device = Annotated[str, typer.Option(help="Device: auto, cpu, cuda, cuda:1 or mps.")]
Exclude = Annotated[
    list[str],
    typer.Option("--exclude", help="Images left out, by a column of the catalogue: view=LATERAL; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON output, for programs.")]
Settings = Annotated[
    list[str], typer.Option("--set", help="Setting to override, such as training.steps=500; repeatable.")
]
Config = Annotated[str, typer.Option(help="YAML or JSON file with settings (over the preset, under --set).")]
Labels = Annotated[
    str, typer.Option(help='Label columns: "Pneumonia", "Effusion,Edema", "Abnormal=Mass|Nodule", "!No Finding".')
]
Pattern = Annotated[str, typer.Option(help='Glob below a folder, such as "*/ct.nii.gz".')]
Channels = Annotated[
    list[str],
    typer.Option(
        "--channel",
        help='Further channel, registered with the first: a glob with the wildcards of --pattern ("*/mr.nii.gz"), beside one image '
        "a file; in a table the columns image_1 and so on; repeatable.",
    ),
]
ChannelNames = Annotated[str, typer.Option(help='Names of all channels, such as "T1,CT"; without: their modalities.')]
Masks = Annotated[str, typer.Option(help="Path of label maps, such as {folder}/../labels/{stem}.nii.gz")]
PlainIds = Annotated[bool, typer.Option("--plain-ids", help="PatientIDs of DICOM files as they are, not hashed.")]
FillGaps = Annotated[
    bool, typer.Option("--fill-gaps", help="Missing slices of DICOM series are interpolated, not refused.")
]
UnreadableShare = Annotated[
    float, typer.Option(help="Share of the images that may be unusable and are left out; one always may.")
]
Modality = Annotated[
    str, typer.Option(help="Modality (CT, MR or CXR) where the files do not say; of several channels MR,CT.")
]
View = Annotated[
    str, typer.Option(help="View of 3D files for a model of radiographs: frontal, lateral, or a slice: k:57.")
]
Validation = Annotated[
    float, typer.Option(help="Share of the patients held out for validation, which chooses the weights.")
]
Test = Annotated[
    float, typer.Option(help="Share of the patients held out for the final test, where the catalogue names none.")
]
Folds = Annotated[int, typer.Option(help="Folds of a cross-validation, of which --fold is the test set.")]
PartialWeights = Annotated[
    bool, typer.Option("--partial-weights", help="Weights that match only in part are accepted.")
]
JobName = Annotated[str, typer.Option(help="Name to find the job by.")]
Detach = Annotated[bool, typer.Option("--detach", help="Job in the background: print its id and return at once.")]
Prepare = Annotated[
    bool, typer.Option("--prepare", help="Job folder only, not started: for torchrun or a batch system.")
]
