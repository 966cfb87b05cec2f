"""`medssl froc`: how many nodules candidates find, for how many false positives per scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from medssl.cli.output import err, out, print_table


def froc(
    candidates: Annotated[
        Path, typer.Argument(help="Table of candidates: image, x, y, z and a score; or predictions of candidates.")
    ],
    nodules: Annotated[
        Path, typer.Option(help="Table of nodules: image, x, y, z, diameter (mm); irrelevant=1 counts neither way.")
    ],
    score: Annotated[str, typer.Option(help="Column of the scores, where it is not clear.")] = "",
    radius: Annotated[
        float, typer.Option(min=0.0, help="Radius of a hit in mm, instead of the diameters; 0: theirs.")
    ] = 0.0,
    replicates: Annotated[int, typer.Option(min=100, help="Replicates of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("froc"),
) -> None:
    """Measure candidates in 3D scans by free-response ROC: sensitivity at 1/8 to 8 false positives per scan, with intervals.

    Places are in mm (RAS, as Slicer shows them) or as the column coordinates says: RAS, LPS or voxel. A row of the nodules
    without x, y and z names a scan that has none. Tables of LUNA16 are read as they are.
    """
    from medssl.evaluation.candidates import read_candidates, read_nodules
    from medssl.evaluation.detection import evaluate_detection
    from medssl.reports.detection_report import write_detection
    from medssl.reports.numbers import with_interval

    found = evaluate_detection(read_candidates(candidates, score), read_nodules(nodules, radius), replicates, seed)
    report = write_detection(found, output)
    rows = [[rate, with_interval(row)] for rate, row in found["sensitivity"].items()]
    print_table(
        ("false positives per scan", "sensitivity"), rows, f"{found['nodules']} nodules in {found['scans']} scans"
    )
    for note in found["notes"]:
        err.print("[yellow]note[/]", escape(note), highlight=False)
    out.print(escape(found["verdict"]), highlight=False)
    out.print(f"{report}", highlight=False)
