"""`medssl restore`: distort volumes, restore them, measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.inspection.radiographs import run_into
from medssl.cli.inspection.request_options import with_options
from medssl.cli.options import Home
from medssl.cli.output import out, print_table
from medssl.core.errors import InputError
from medssl.core.protocol import VolumeRef
from medssl.core.requests import RestoreRequest


@with_options(RestoreRequest, "volume")
def restore(
    volumes: Annotated[list[Path], typer.Argument(help="Image files or DICOM folders.")],
    output: Annotated[Path, typer.Option(help="Folder for the results, one below it per volume.")] = Path("restored"),
    roi: Annotated[str, typer.Option(help="Box of voxels i0:i1,j0:j1,k0:k1; empty takes the whole volume.")] = "",
    modality: Annotated[str, typer.Option(help="Modality (CT or MR), where the files do not say.")] = "",
    home: Home = None,
    **options: Any,
) -> None:
    """Distort volumes, restore them with a model, and write volumes, a montage and a table."""
    for path, folder in result_folders(volumes, output).items():
        request = RestoreRequest(VolumeRef(path=str(path), modality=modality), roi=parse_roi(roi), **options)
        result = run_into("restore", request, folder, home, f"restoring {path.name}")
        columns = list(result.table[0])
        print_table(columns, [[row[name] for name in columns] for row in result.table], title=str(folder))
        out.print(result.info["verdict"], highlight=False, markup=False)


def result_folders(volumes: list[Path], output: Path) -> dict[Path, Path]:
    """A folder for each volume, named after it; after its own folder too where names repeat.

    Raises:
        InputError: the folders are still not distinct, or one of them is there already.
    """
    from medssl.images.formats.image_files import stem

    names = [stem(path) for path in volumes]
    folders = {
        path: output / (name if names.count(name) == 1 else f"{path.absolute().parent.name}-{name}")
        for path, name in zip(volumes, names)
    }
    if len(set(folders.values())) < len(volumes):
        raise InputError(
            "volumes", "share name and folder name", "Restore them one at a time, each with its own --output"
        )
    for folder in folders.values():
        if (folder / "table.csv").exists():
            raise InputError(
                folder, "holds an earlier result", "Give another --output, or delete it first", code="earlier-result"
            )
    return folders


def parse_roi(text: str) -> tuple[tuple[int, int], ...] | None:
    """Read `i0:i1,j0:j1,k0:k1`.

    Raises:
        InputError: another form.
    """
    if not text:
        return None
    try:
        roi = tuple((int(a), int(b)) for a, b in (part.split(":") for part in text.split(",")))
    except ValueError as error:
        raise InputError(
            f"--roi {text}", "is not a box of voxels", "Write --roi 100:164,100:164,20:52", code="not-a-box"
        ) from error
    return roi
