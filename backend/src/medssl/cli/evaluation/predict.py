"""`medssl predict`: probabilities of images by a fine-tuned classifier, a probe or a pretrained Ark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.evaluation.apply_options import (
    Findings,
    FineTuned,
    Heads,
    Images,
    ModelPart,
    Orientation,
    Overwrite,
    Spacing,
    Split,
)
from medssl.cli.evaluation.applying import apply_here, ark_settings, failures, images_of
from medssl.cli.options import Detach, Device, Home, Modality, Pattern, View
from medssl.cli.output import out, print_table
from medssl.core.errors import counted
from medssl.core.tables import read_table

SHOWN = 20  # rows on the terminal
MOST_COLUMNS, LIKELIEST = 8, 5  # of more columns each image's likeliest are shown


def predict(
    images: Images,
    model: FineTuned,
    output: Annotated[Path, typer.Option(help="File (.csv), or folder for predictions.csv.")] = Path("predictions.csv"),
    findings: Findings = [],  # noqa: B006
    heads: Heads = [],  # noqa: B006
    part: ModelPart = "auto",
    split: Split = "",
    test_time: Annotated[
        str, typer.Option(help="Test-time averaging: auto (as in training), none, mirror or ten-crop.")
    ] = "auto",
    pattern: Pattern = "",
    modality: Modality = "",
    view: View = "",
    orientation: Orientation = "",
    spacing: Spacing = "native",
    overwrite: Overwrite = False,
    detach: Detach = False,
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Predict classes of images; a second call goes on where the first stopped.

    The table has the probabilities, the labels that a catalogue knows under the same names (for an Ark also under synonyms of
    a finding), and its other columns: what `medssl evaluate` reads. A pretrained Ark needs no training of its own: name the
    findings before you look at results.
    """
    from medssl.tasks.apply.output import ApplyFolder

    settings = {
        "output": str(output), "test_time": test_time, "overwrite": overwrite, "orientation": orientation, "spacing": spacing, **ark_settings(findings, heads, part),
    }  # fmt: skip
    data = images_of(images, pattern, modality, view, split)
    rows = apply_here(model, data, settings, device, home, detach)
    if not rows:
        return
    place = ApplyFolder.of(str(output), output)
    table = read_table(place.folder / place.table)
    found = table.rows
    columns = [name for name in table.columns if name != "patient" and not name.startswith(("label_", "attribute_"))]
    _show(columns, found[:SHOWN])
    out.print(f"{counted(len(found), 'prediction')} in {place.folder / place.table}", highlight=False)
    raise typer.Exit(failures(rows))


def _show(columns: list[str], rows: list[dict[str, str]]) -> None:
    if len(columns) <= MOST_COLUMNS:
        print_table(columns, [[_short(name, row[name]) for name in columns] for row in rows])
        return
    likeliest = [sorted(columns[1:], key=lambda name: -float(row[name]))[:LIKELIEST] for row in rows]
    shown = [[Path(row["image"]).name, n, float(row[n])] for row, names in zip(rows, likeliest) for n in names]
    print_table(("image", f"likeliest {LIKELIEST} of {len(columns) - 1}", "probability"), shown)


def _short(name: str, value: str) -> object:
    return Path(value).name if name == "image" else float(value)
