"""`medssl samples …`: public images to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.help import verb
from medssl.cli.options import AsJson, Home
from medssl.cli.output import download_bar, print_json, print_table, say
from medssl.core.home import home_folder

app = typer.Typer(help="List, fetch and delete public sample images.", no_args_is_help=True)
Sample = Annotated[str, typer.Argument(help="Name of a sample.")]


@verb(app, "list", "medssl samples list")
def list_all(as_json: AsJson = False, home: Home = None) -> None:
    """List what there is, with size and licence."""
    from medssl.datasets.samples.public_samples import list_samples

    samples, folder = list_samples(), home_folder(home) / "samples"
    if as_json:
        print_json(samples)
        return
    rows = [
        (s.name, s.title, s.modality, f"{s.size / 1e6:.0f} MB", s.licence, "yes" if (folder / s.name).is_dir() else "")
        for s in samples
    ]
    print_table(("name", "what", "modality", "download", "licence", "here"), rows)


@verb(app, "fetch", "medssl samples fetch chest-ct")
def fetch(name: Sample, home: Home = None) -> None:
    """Download a sample, check it, and print its folder."""
    say(fetch_with_bar(name, home_folder(home)))


@verb(app, "delete", "medssl samples delete chest-ct", old=("rm",))
def delete(name: Sample, home: Home = None) -> None:
    """Delete a sample."""
    from medssl.datasets.samples.public_samples import remove_sample

    remove_sample(name, home_folder(home))


def fetch_with_bar(name: str, home: Path) -> Path:
    """Fetch a sample with a progress bar; returns its folder."""
    from medssl.datasets.samples.public_samples import fetch_sample

    with download_bar(f"sample {name}") as progress:
        task = progress.add_task("", total=None)
        return fetch_sample(name, home, lambda done, total: progress.update(task, completed=done, total=total))
