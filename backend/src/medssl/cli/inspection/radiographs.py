"""What the verbs over several radiographs share: options, references, running, the table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from medssl.cli.output import err, out, print_table
from medssl.cli.working import working
from medssl.core.errors import InputError
from medssl.core.files import read_json
from medssl.core.home import home_folder
from medssl.core.protocol import FINISHED, ResultStatus, VolumeRef, to_json

Images = Annotated[list[Path], typer.Argument(help="Radiographs: DICOM, PNG, JPEG, NRRD, NIfTI.")]
View = Annotated[
    str, typer.Option(help="View of 3D images: frontal or lateral (projections of a CT), or a slice: k:57.")
]
Inverted = Annotated[
    list[Path], typer.Option(help="Image whose high values are dark (DICOM says so itself); repeatable.")
]


def references(images: list[Path], view: str, inverted: list[Path]) -> tuple[VolumeRef, ...]:
    """References to image files.

    Raises:
        InputError: an inverted image that is none of them.
    """
    for path in inverted:
        if path not in images:
            rule, remedy = "is none of the images", "Write it as you wrote the image"
            raise InputError(f"--inverted {path}", rule, remedy, code="inverted-unknown")
    return tuple(VolumeRef(path=str(path), view=view, inverted=path in inverted) for path in images)


def run_into(kind: str, request: Any, output: Path | None, home: Path | None, title: str = "") -> ResultStatus:
    """Run an inspection into a folder of its own (None: its files are not kept); `title` stands beside its progress.

    Raises:
        InputError: the folder holds an earlier result.
    """
    from medssl.handlers.worker.local import run_here

    if output is not None and is_finished(output):
        raise InputError(
            output, "holds an earlier result", "Give another --output, or delete it first", code="earlier-result"
        )
    shown: list[str] = []

    def show_note(note: str) -> None:
        shown.append(note)
        err.print(f"[yellow]note[/] {escape(note)}", highlight=False)

    with working(title or kind) as status:

        def progress(share: float, text: str) -> None:
            status.update(f"{title} {share:.0%} {text}".lstrip())

        result = run_here(kind, to_json(request), home_folder(home), output, progress, show_note)
    for note in result.info.get("notes", ()):
        if note not in shown:
            show_note(note)
    return result


def is_finished(folder: Path) -> bool:
    """Whether a folder holds the result of an inspection."""
    status = folder / "status.json"
    return status.is_file() and read_json(status).get("state") == FINISHED


def show(result: ResultStatus, columns: tuple[str, ...], output: Path) -> None:
    """Print the named columns of the table, and where the files are."""
    if result.table and columns:
        print_table(columns, [[_shown(row[name]) for name in columns] for row in result.table])
    out.print(f"{', '.join(result.files)} in {output}", highlight=False)


def _shown(value: Any) -> Any:
    return "" if value is None else value
