"""`medssl jobs …`: the job folders, without a server."""

from __future__ import annotations

from typing import Annotated

import typer

from medssl.cli.options import AsJson, Home
from medssl.cli.output import out, print_jobs, print_json, print_table
from medssl.home import home_folder

app = typer.Typer(help="List, show, follow, cancel, resume and remove jobs.", no_args_is_help=True)
Job = Annotated[str, typer.Argument(help="A job's id.")]


@app.command("list")
def list_jobs(as_json: AsJson = False, home: Home = None) -> None:
    """All jobs, newest first."""
    views = _store(home).list()
    print_json(views) if as_json else print_jobs(views)


@app.command()
def show(job: Job, as_json: AsJson = False, home: Home = None) -> None:
    """State, settings and files of one job."""
    view = _store(home).view(job)
    if as_json:
        print_json(view)
        return
    print_jobs([view])
    if view.status.error:
        out.print(view.status.error["message"], markup=False)
    print_table(("file",), [(name,) for name in view.files])


@app.command()
def follow(job: Job, home: Home = None) -> None:
    """Watch a job to its end."""
    from medssl.cli.pretrain import watch

    raise typer.Exit(watch(_store(home), job))


@app.command()
def cancel(job: Job, home: Home = None) -> None:
    """Ask a job to stop; after a grace period its processes are ended."""
    from medssl.jobs import process

    print_jobs([process.cancel(_store(home), job)])


@app.command()
def resume(job: Job, detach: Annotated[bool, typer.Option(help="Return at once.")] = False, home: Home = None) -> None:
    """Go on with a cancelled, failed or interrupted job from its last checkpoint."""
    from medssl.cli.pretrain import watch
    from medssl.jobs import process

    store = _store(home)
    process.resume(store, job)
    if not detach:
        raise typer.Exit(watch(store, job))


@app.command()
def rm(jobs: Annotated[list[str], typer.Argument(help="Ids.")], home: Home = None) -> None:
    """Delete jobs with all they made."""
    store = _store(home)
    for job in jobs:
        store.remove(job)


def _store(home):
    from medssl.jobs.store import JobStore

    return JobStore(home_folder(home))
