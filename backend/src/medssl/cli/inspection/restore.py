"""`medssl restore`: distort volumes, restore them, measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

from medssl.cli.options import Device, Home
from medssl.cli.output import err, print_table
from medssl.core.errors import InputError
from medssl.core.home import home_folder
from medssl.core.protocol import VolumeRef, to_json
from medssl.core.requests import RestoreRequest


def restore(
    volumes: Annotated[list[Path], typer.Argument(help="Image files or DICOM folders.")],
    model: Annotated[str, typer.Option(help="A job's id or a weight file.")],
    output: Annotated[Path, typer.Option(help="Folder for the results, one below it per volume.")] = Path("restored"),
    distortion: Annotated[str, typer.Option(help="random, none, shuffle, bezier, inpaint or outpaint.")] = "random",
    strength: Annotated[float, typer.Option(help="0…1.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the distortion.")] = 0,
    roi: Annotated[str, typer.Option(help="Voxels i0:i1,j0:j1,k0:k1; empty takes the whole volume.")] = "",
    overlap: Annotated[float, typer.Option(help="Of neighbouring windows, 0 to below 1.")] = 0.25,
    fidelity: Annotated[str, typer.Option(help="paper or released; empty takes what the weights say.")] = "",
    modality: Annotated[str, typer.Option(help="CT or MR, where the files do not say.")] = "",
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Distort volumes, restore them with a model, and write volumes, a montage and a table."""
    from medssl.handlers.worker.local import run_here

    folders = result_folders(volumes, output)
    for path in volumes:
        request = RestoreRequest(
            VolumeRef(path=str(path), modality=modality),
            model,
            distortion,
            strength,
            seed,
            parse_roi(roi),
            overlap,
            fidelity,
            device,
        )
        folder = folders[path]
        with err.status(f"restoring {path.name}") as status:
            result = run_here("restore", to_json(request), home_folder(home), folder, _progress_of(path.name, status))
        columns = list(result.table[0])
        print_table(columns, [[row[name] for name in columns] for row in result.table], title=str(folder))


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
            raise InputError(folder, "holds an earlier result", "Give another --output, or delete it first")
    return folders


def _progress_of(name: str, status: Status) -> Callable[[float, str], None]:
    return lambda share, text: status.update(f"{name} {share:.0%} {text}")


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
        raise InputError(f"--roi {text}", "is not a box of voxels", "Write --roi 100:164,100:164,20:52") from error
    return roi
