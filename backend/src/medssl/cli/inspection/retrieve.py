"""`medssl retrieve`: the images of a set that are most similar to one image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import View, run_into, show
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Exclude, Home, Modality, Pattern
from medssl.cli.output import err, out
from medssl.cli.training_set import data_spec
from medssl.core.protocol import VolumeRef
from medssl.core.requests import RetrieveRequest


@with_options(RetrieveRequest, "volume", "data")
def retrieve(
    image: Annotated[Path, typer.Argument(help="Image whose like is looked for: DICOM, PNG, JPEG, NRRD, NIfTI.")],
    among: Annotated[
        list[str],
        typer.Option(help="Images to search: a folder, a catalogue CSV or a dataset spec (.yaml); repeatable."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for montage.png, table.csv and the cases.")] = Path("similar"),
    patient: Annotated[
        str,
        typer.Option(
            help="Patient of the image, where the set does not say: this patient's other images do not count."
        ),
    ] = "",
    pattern: Pattern = "",
    modality: Modality = "",
    exclude: Exclude = [],  # noqa: B006
    view: View = "",
    inverted: Annotated[
        bool, typer.Option("--inverted", help="High values of the image are dark (DICOM says so itself).")
    ] = False,
    home: Home = None,
    **options: Any,
) -> None:
    """Find the cases of a set that are most similar to an image.

    The first search in a set describes all of its images, which is kept in the home folder; later ones read only new and
    changed files. The image itself is never among the cases.
    """
    data = data_spec(among, pattern, modality, validation_fraction=0.2, exclude=exclude)
    query = VolumeRef(
        path=str(image), name=image.name, modality=modality, patient=patient, view=view, inverted=inverted
    )
    result = run_into("retrieve", RetrieveRequest(query, data, **options), output, home)
    rows = tuple({**row, "findings": row["findings"] or "-"} for row in result.table)
    result = replace(result, table=rows, files=("montage.png", "table.csv"))
    show(result, ("rank", "name", "patient", "similarity", "distance", "findings"), output)
    changes = ", ".join(f"{result.info[key]} {key}" for key in ("added", "changed", "removed") if result.info[key])
    index = f"index of {result.info['images']} images" + (
        f": {changes} in {result.info['index_s']:.1f} s" if changes else ""
    )
    err.print(f"{index}; searched in {result.info['query_ms']:.1f} ms", highlight=False)
    out.print(result.info["verdict"], highlight=False, markup=False)
