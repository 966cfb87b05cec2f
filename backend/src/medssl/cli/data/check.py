"""`medssl data …`: is this a usable training set, and what is kept on disk?"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Optional

import typer

from medssl.cli.data.dataset_specs import (
    Root,
    check_dataset_specs,
    declare,
    means_dataset_spec,
    read_dataset_specs,
    sets,
)
from medssl.cli.options import AsJson, Exclude, Home
from medssl.cli.output import err, print_json, print_table
from medssl.cli.training.pretrain import data_spec
from medssl.core.errors import InputError, StateError
from medssl.core.home import home_folder
from medssl.core.protocol import QUEUED, RUNNING, to_json
from medssl.core.requests import CatalogRequest

app = typer.Typer(help="Look at training sets, and at what MedSSL keeps on disk.", no_args_is_help=True)
KEPT = ("cache", "volumes", "results", "indexes", "samples", "jobs")  # folders of the home folder
CLEARABLE = KEPT[:4]  # the others have verbs of their own
app.command("declare")(declare)
app.command("sets")(sets)


@app.command()
def check(
    data: Annotated[
        list[str],
        typer.Argument(help="A folder, a catalogue CSV, image files, or declarations (.yaml, or a set's name)."),
    ],
    pattern: Annotated[str, typer.Option(help="Glob below the folder.")] = "",
    modality: Annotated[str, typer.Option(help="CT, MR or CXR, where the files do not say.")] = "",
    validation_fraction: Annotated[float, typer.Option(help="Share of the patients kept for validation.")] = 0.2,
    test_fraction: Annotated[float, typer.Option(help="Share of the patients kept for a final test.")] = 0.0,
    masks: Annotated[str, typer.Option(help="Where label maps lie: {folder}/../labels/{stem}.nii.gz")] = "",
    exclude: Exclude = [],  # noqa: B006
    root: Root = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="Declared sets: also find files of equal content.")
    ] = False,
    read_all: Annotated[
        bool,
        typer.Option("--read-all", help="Declared sets: read every image, not a few, and list those that cannot be."),
    ] = False,
    sheet: Annotated[
        Optional[Path],  # noqa: UP045  typer reads the annotation at run time, on Python 3.10 too
        typer.Option(help="Declared sets: a folder for pictures of some images with their labels.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say how many volumes and patients there are, of which modality, 2D or 3D, with which labels, and how they would be
    split. Declared sets are checked for missing files, unknown labels, duplicates and patients in two splits; the exit status
    is 1 where something is wrong."""
    if root is not None or any(map(means_dataset_spec, data)):
        if not check_dataset_specs(
            read_dataset_specs(data, root), contents, sheet, validation_fraction, as_json, read_all
        ):
            raise typer.Exit(1)
        return
    from medssl.handlers.worker.local import run_here

    spec = data_spec(data, pattern, modality, validation_fraction, exclude)
    request = CatalogRequest(replace(spec, test_fraction=test_fraction, masks=masks))
    with err.status("reading") as status:
        result = run_here(
            "catalog",
            to_json(request),
            home_folder(home),
            None,
            lambda share, text: status.update(f"{share:.0%} {text}"),
        )
    if as_json:
        print_json({**result.info, "table": result.table})
        return
    columns = result.info.pop("columns", {})
    print_table(("", ""), result.info.items())
    if columns:
        rows = [
            (name, ", ".join(f"{value or 'unknown'} ({n})" for value, n in found.items()))
            for name, found in columns.items()
        ]
        print_table(("column", "values (images)"), rows)
    if result.table:
        names = list(result.table[0])
        print_table(names, [[row[name] for name in names] for row in result.table])


@app.command()
def usage(home: Home = None) -> None:
    """What MedSSL keeps in its home folder, and how large it is."""
    folder = home_folder(home)
    rows = [(name, f"{size_of(folder / name) / 2**20:.1f} MiB", folder / name) for name in KEPT]
    print_table(("what", "size", "folder"), rows)


@app.command()
def clear(
    what: Annotated[str, typer.Argument(help="cache, volumes (uploads), results or indexes (of similar cases).")],
    home: Home = None,
) -> None:
    """Delete what can be made or sent again: the cache, uploaded volumes, results or indexes."""
    from medssl.jobs.store import JobStore

    folder = home_folder(home)
    if what not in CLEARABLE:
        raise InputError(what, "cannot be cleared", f"Use one of {', '.join(CLEARABLE)}; samples and jobs have `rm`")
    for view in JobStore(folder).list():
        if view.status.state in (QUEUED, RUNNING):
            raise StateError(f"job {view.id}", f"is {view.status.state} and may need them", "Cancel it, or wait")
    freed = size_of(folder / what)
    shutil.rmtree(folder / what, ignore_errors=True)
    print(f"{freed / 2**20:.1f} MiB freed")


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
