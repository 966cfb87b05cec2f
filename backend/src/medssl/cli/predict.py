"""`medssl predict`: probabilities of images by a fine-tuned classifier or a probe."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.applying import (
    Detach,
    Images,
    Modality,
    Model,
    Overwrite,
    Pattern,
    View,
    apply_here,
    failures,
    images_of,
)
from medssl.cli.options import Device, Home
from medssl.cli.output import out, print_table

SHOWN = 20  # rows on the terminal


def predict(
    images: Images,
    model: Model,
    output: Annotated[Path, typer.Option(help="A .csv file, or a folder for predictions.csv.")] = Path(
        "predictions.csv"
    ),
    test_time: Annotated[str, typer.Option(help="auto (as in training), none, mirror or ten-crop.")] = "auto",
    pattern: Pattern = "",
    modality: Modality = "",
    view: View = "",
    overwrite: Overwrite = False,
    detach: Detach = False,
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Predict classes of images; a second call goes on where the first was stopped.

    The table has the probabilities, the labels that a catalogue knows under the same names, and its other columns: what
    `medssl evaluate` reads.
    """
    from medssl.tasks.apply_output import Output

    settings = {"output": str(output), "test_time": test_time, "overwrite": overwrite}
    rows = apply_here(model, images_of(images, pattern, modality, view), settings, device, home, detach)
    if not rows:
        return
    place = Output.of(str(output), output)
    with (place.folder / place.table).open(newline="") as file:
        found = list(csv.DictReader(file))
    columns = [name for name in found[0] if name != "patient" and not name.startswith(("label_", "attribute_"))]
    print_table(columns, [[_short(name, row[name]) for name in columns] for row in found[:SHOWN]])
    out.print(f"{len(found)} predictions in {place.folder / place.table}", highlight=False)
    raise typer.Exit(failures(rows))


def _short(name: str, value: str) -> object:
    return Path(value).name if name == "image" else float(value)
