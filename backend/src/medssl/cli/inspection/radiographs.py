"""What the verbs over several radiographs share: options, references, running, the table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.output import err, out, print_table
from medssl.core.errors import InputError
from medssl.core.home import home_folder
from medssl.core.protocol import ResultStatus, VolumeRef, to_json

Images = Annotated[list[Path], typer.Argument(help="Radiographs: DICOM, PNG, JPEG, NRRD, NIfTI.")]
Model = Annotated[str, typer.Option(help="A job's id, a weight file, or untrained:default (random weights).")]
View = Annotated[str, typer.Option(help="For 3D images: frontal or lateral (projections of a CT), or a slice: k:57.")]
Inverted = Annotated[
    list[Path], typer.Option(help="An image whose high values are dark (DICOM says so itself); repeatable.")
]
Part = Annotated[str, typer.Option(help="student or teacher, where the weights hold both.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same answer.")]


def references(images: list[Path], view: str, inverted: list[Path]) -> tuple[VolumeRef, ...]:
    """References to image files.

    Raises:
        InputError: an inverted image that is none of them.
    """
    for path in inverted:
        if path not in images:
            raise InputError(f"--inverted {path}", "is none of the images", "Write it as among them")
    return tuple(VolumeRef(path=str(path), view=view, inverted=path in inverted) for path in images)


def run_into(kind: str, request: Any, output: Path, home: Path | None) -> ResultStatus:
    """Run an inspection into a folder of its own.

    Raises:
        InputError: the folder holds an earlier result.
    """
    from medssl.handlers.worker.local import run_here

    if (output / "montage.png").exists():
        raise InputError(output, "holds an earlier result", "Give another --output, or delete it first")
    with err.status(kind) as status:
        result = run_here(
            kind, to_json(request), home_folder(home), output, lambda share, text: status.update(f"{share:.0%} {text}")
        )
    for note in result.info.get("notes", ()):
        err.print(f"[yellow]note[/] {note}", highlight=False)
    return result


def show(result: ResultStatus, columns: tuple[str, ...], output: Path) -> None:
    """Print the named columns of the table, and where the files are."""
    if result.table and columns:
        print_table(columns, [[_shown(row[name]) for name in columns] for row in result.table])
    out.print(f"{', '.join(result.files)} in {output}", highlight=False)


def _shown(value: Any) -> Any:
    return "" if value is None else value
