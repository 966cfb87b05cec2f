"""`medssl segment`: label maps of images by a fine-tuned model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.evaluation.apply_options import FineTuned, Images, Orientation, Overwrite, Spacing
from medssl.cli.evaluation.applying import apply_here, failures, images_of
from medssl.cli.options import Channels, Detach, Device, Home, Modality, Pattern, View
from medssl.cli.output import out, print_table
from medssl.core.errors import counted
from medssl.core.tables import read_table

FEWEST_SUMMED = 9  # images from which on the table on the terminal would be too long


def segment(
    images: Images,
    model: FineTuned,
    output: Annotated[Path, typer.Option(help="Folder for the label maps and tables.")] = Path("segmentations"),
    overlap: Annotated[
        float, typer.Option(help="Overlap of neighbouring windows, 0 to 0.9; negative: as in training.")
    ] = -1.0,
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror", help="Mirrored images averaged too, of a model trained with such; of volumes 8 times as long."
        ),
    ] = False,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Uncertainty maps too, 0 (sure) to 1: entropy over an ensemble's networks, of one network over mirrored images, "
            "where it was trained with such.",
        ),
    ] = False,
    format: Annotated[str, typer.Option(help="Format: nii.gz, or nrrd, which holds names and colours too.")] = "nii.gz",
    pattern: Pattern = "",
    channels: Channels = [],  # noqa: B006
    modality: Modality = "",
    view: View = "",
    orientation: Orientation = "",
    spacing: Spacing = "native",
    overwrite: Overwrite = False,
    detach: Detach = False,
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Segment images, a folder of them or those of a catalogue; a second call goes on where the first stopped.

    Leaves a label map per image, index.csv (what became of each), volumes.csv, and classes.csv (what the values mean);
    uncertainty maps in the folder uncertainty.
    """
    settings = {
        "output": str(output),
        "overlap": overlap,
        "mirror": mirror,
        "uncertainty": uncertainty,
        "format": format,
        "overwrite": overwrite,
        "orientation": orientation,
        "spacing": spacing,
    }
    rows = apply_here(
        model, images_of(images, pattern, modality, view, channels=channels), settings, device, home, detach
    )
    if not rows:
        return
    _show(output, rows)
    raise typer.Exit(failures(rows))


def _show(output: Path, rows: list[dict[str, str]]) -> None:
    """The classes of few images, and last what became of all of them."""
    images, done = {row["image"] for row in rows}, sum(row["status"] == "done" for row in rows)
    found = [row for row in read_table(output / "volumes.csv").rows if row["image"] in images]
    if found and len(images) < FEWEST_SUMMED:
        columns = ("image", "class", "voxels", "volume_ml" if any(row["volume_ml"] for row in found) else "area_cm2")
        print_table(columns, [[_short(name, row[name]) for name in columns] for row in found])
    out.print(
        f"{counted(done, 'image')} segmented: {'its label map' if done == 1 else 'their label maps'}, index.csv, volumes.csv and "
        f"classes.csv are in {output}",
        highlight=False,
    )


def _short(name: str, value: str) -> object:
    if name == "image":
        return Path(value).name
    return float(value) if value and name.endswith(("ml", "cm2")) else value
