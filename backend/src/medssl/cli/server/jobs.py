"""`medssl jobs …`: the job folders, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.options import AsJson, Home
from medssl.cli.output import out, print_jobs, print_json, print_table
from medssl.core.errors import InputError
from medssl.core.home import home_folder
from medssl.core.protocol import to_json
from medssl.jobs.store import JobStore

app = typer.Typer(help="List, show, follow, cancel, resume and remove jobs.", no_args_is_help=True)
Job = Annotated[str, typer.Argument(help="A job's id or its beginning, or its name.")]


@app.command("list")
def list_jobs(as_json: AsJson = False, home: Home = None) -> None:
    """All jobs, newest first."""
    views = _store(home).list()
    print_json(views) if as_json else print_jobs(views)


@app.command()
def show(job: Job, as_json: AsJson = False, home: Home = None) -> None:
    """State, settings and files of one job."""
    store = _store(home)
    view = store.view(_find(store, job))
    if as_json:
        print_json(view)
        return
    print_jobs([view])
    data, config = to_json(view.spec.data), view.spec.config
    chosen = {n: v for n, v in data.items() if v} | {n: v for n, v in config.items() if not isinstance(v, dict)}
    print_table(
        ("setting", "value"), [*chosen.items(), *((f"training.{n}", v) for n, v in config.get("training", {}).items())]
    )
    if view.status.error:
        out.print(view.status.error["message"], markup=False)
    print_table(("file",), [(name,) for name in view.files])


@app.command()
def follow(job: Job, home: Home = None) -> None:
    """Watch a job to its end."""
    from medssl.cli.training.pretrain import watch

    store = _store(home)
    raise typer.Exit(watch(store, _find(store, job)))


@app.command()
def cancel(job: Job, home: Home = None) -> None:
    """Ask a job to stop; after a grace period its processes are ended."""
    from medssl.jobs import process

    store = _store(home)
    print_jobs([process.cancel(store, _find(store, job))])


@app.command()
def resume(job: Job, detach: Annotated[bool, typer.Option(help="Return at once.")] = False, home: Home = None) -> None:
    """Go on with a cancelled, failed or interrupted job from its last checkpoint."""
    from medssl.cli.training.pretrain import watch
    from medssl.jobs import process

    store = _store(home)
    job = _find(store, job)
    process.resume(store, job)
    if not detach:
        raise typer.Exit(watch(store, job))


@app.command()
def rm(jobs: Annotated[list[str], typer.Argument(help="Ids.")], home: Home = None) -> None:
    """Delete jobs with all they made."""
    store = _store(home)
    for job in [_find(store, job) for job in jobs]:  # all are known before the first is gone
        store.remove(job)


def _find(store: JobStore, text: str) -> str:
    """The id of the job that has this id, name or beginning of an id.

    Raises:
        NotFoundError: none has. InputError: several have.
    """
    views = store.list()
    found = [view.id for view in views if text in (view.id, view.spec.name)] or [
        view.id for view in views if view.id.startswith(text)
    ]
    if len(found) > 1:
        raise InputError(f"job {text!r}", f"means {len(found)} jobs: {', '.join(found[:3])}", "Give an id")
    return found[0] if found else store.folder(text).name


def _store(home: Path | None) -> JobStore:
    return JobStore(home_folder(home))
