"""`medssl landmarks`: how far from known landmarks do models find them in other patients?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import run_into
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Exclude, Home
from medssl.cli.output import err, out, print_table
from medssl.cli.training_set import data_spec
from medssl.core.errors import InputError
from medssl.core.home import home_folder
from medssl.core.protocol import DataSpec, ResultStatus
from medssl.core.requests import LandmarksRequest


@with_options(LandmarksRequest, "data", "landmarks", "compare_untrained")
def landmarks(
    data: Annotated[list[str], typer.Argument(help="Images: a catalogue CSV, a folder, or image files.")],
    points: Annotated[
        Path | None, typer.Option("--landmarks", help="CSV with columns image, landmark, x, y (pixels).")
    ] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of lung masks: landmarks are made from them.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("landmarks"),
    untrained: Annotated[bool, typer.Option(help="Comparison with the same network before any training.")] = True,
    exclude: Exclude = [],  # noqa: B006
    modality: Annotated[str, typer.Option(help="Modality (CXR), where the files do not say.")] = "",
    home: Home = None,
    **options: Any,
) -> None:
    """Look for the landmarks of one patient in another, and state the error with intervals, beside baselines."""
    spec = data_spec(data, "", modality, 0.2, exclude)
    if (points is None) == (masks is None):
        raise InputError(
            "landmarks",
            "come from --landmarks or from --masks, one of the two",
            "Give one of the two",
            code="landmarks-twice",
        )
    rows = landmarks_from(masks, spec, home) if masks else ()
    asked = LandmarksRequest(
        spec, landmarks=str(points or ""), points=rows, compare_untrained=untrained, **options
    )  # fmt: skip
    result = run_into("landmarks", asked, output, home)
    show_errors(result)
    out.print(f"{', '.join(result.files)} in {output}", highlight=False)


def show_errors(result: ResultStatus) -> None:
    """Print the verdicts, the table and the differences of a result."""
    from medssl.evaluation.landmark_errors import ALL, MEASURES, UNITS, difference_sentence, with_interval

    for verdict in result.info["verdicts"]:
        out.print(verdict["text"], highlight=False, markup=False)
    columns = ("model", "group", "pairs", "patients", *MEASURES)
    shown = [row for row in result.table if row["landmark"] == ALL]
    cells = [[*(row[name] for name in columns[:4]), *(with_interval(row, name) for name in MEASURES)] for row in shown]
    print_table(columns, cells, result.info["unit"])
    for row in result.info["differences"]:
        out.print(difference_sentence(row, UNITS[result.info["unit"]]), highlight=False, markup=False)


def landmarks_from(masks: Path, spec: DataSpec, home: Path | None) -> tuple[dict, ...]:
    """Apices, costophrenic angles and widest points of the lungs in the masks of a training set's images."""
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.inspection.anatomy.lung_landmarks import landmarks_of_masks

    rows, notes = landmarks_of_masks(read_catalog(spec, home_folder(home)).entries, masks)
    for note in notes:
        err.print(f"[yellow]note[/] {note}", highlight=False)
    return tuple(rows)
