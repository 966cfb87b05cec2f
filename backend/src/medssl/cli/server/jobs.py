"""`medssl jobs …`: the job folders, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.follow import watch_job
from medssl.cli.help import verb
from medssl.cli.options import AsJson, Detach, Home
from medssl.cli.output import out, print_jobs, print_json, print_table, say
from medssl.core.errors import InputError, MedSSLError, NotFoundError, closest_name
from medssl.core.home import home_folder
from medssl.core.protocol import QUEUED, RUNNING, JobSpec, to_json
from medssl.core.registry import RegistryEntry, config_class
from medssl.core.schema import build, not_counting
from medssl.jobs.rounds import Round, rounds_of, rounds_sentence
from medssl.jobs.store import JobStore
from medssl.pretraining import METHODS
from medssl.tasks import TASKS

app = typer.Typer(help="List, show, follow, cancel, resume and delete jobs.", no_args_is_help=True)
Job = Annotated[str, typer.Argument(help="Job id or its beginning, or the job's name.")]


@verb(app, "list", "medssl jobs list")
def list_jobs(as_json: AsJson = False, home: Home = None) -> None:
    """List all jobs, newest first."""
    views = _store(home).list()
    print_json(views) if as_json else print_jobs(views)


@verb(app, "show", "medssl jobs show liver")
def show(job: Job, as_json: AsJson = False, home: Home = None) -> None:
    """Show state, settings and files of one job."""
    store = _store(home)
    view = store.view(_find(store, job))
    if as_json:
        print_json(view)
        return
    print_jobs([view])
    data, config = to_json(view.spec.data), view.spec.config
    chosen = {n: v for n, v in data.items() if v} | {n: v for n, v in config.items() if not isinstance(v, dict)}
    without = _not_counting(view.spec)
    every = [*chosen.items(), *((f"training.{n}", v) for n, v in config.get("training", {}).items())]
    print_table(("setting", "value"), [(name, value) for name, value in every if name not in without])
    if without:
        out.print(f"without effect here: {', '.join(without)}", highlight=False)
    print_table(("file",), [(name,) for name in view.files])


@verb(app, "rounds", "medssl jobs rounds liver")
def rounds(job: Job, as_json: AsJson = False, home: Home = None) -> None:
    """Show how the score on the fixed validation cases moved with each round of labelling, up to this job."""
    store = _store(home)
    found = rounds_of(store, _find(store, job))
    if as_json:
        print_json(found)
        return
    columns = ("round", "job", "state", "labelled", "validation", "score", "minutes")
    rows = [
        (one.number, one.job, one.state, one.training, len(one.validation), _score(one), _known(one.minutes))
        for one in found
    ]
    print_table(columns, rows, names=2)
    say(rounds_sentence(found))


@verb(app, "follow", "medssl jobs follow 20260709-2145")
def follow(job: Job, home: Home = None) -> None:
    """Watch a job to its end."""
    store = _store(home)
    raise typer.Exit(watch_job(store, _find(store, job)))


@verb(app, "cancel", "medssl jobs cancel liver")
def cancel(job: Job, home: Home = None) -> None:
    """Ask a job to stop; after a grace period its processes are ended."""
    from medssl.jobs import process

    store = _store(home)
    view = process.cancel(store, _find(store, job))
    print_jobs([view])
    if view.status.state in (QUEUED, RUNNING) and process.runs_elsewhere(view.status):
        say(f"It was asked to stop and runs on {view.status.host}; if it does not, end its process there")


@verb(app, "resume", "medssl jobs resume liver --detach")
def resume(job: Job, detach: Detach = False, home: Home = None) -> None:
    """Go on with a cancelled, failed or interrupted job from its last checkpoint."""
    from medssl.jobs import process

    store = _store(home)
    job = _find(store, job)
    process.resume(store, job)
    if not detach:
        raise typer.Exit(watch_job(store, job))


@verb(app, "delete", "medssl jobs delete liver spleen", old=("rm",))
def delete(jobs: Annotated[list[str], typer.Argument(help="Job ids or names.")], home: Home = None) -> None:
    """Delete jobs with all they made."""
    store = _store(home)
    for job in [_find(store, job) for job in jobs]:  # all are known before the first is gone
        store.remove(job)


def _not_counting(spec: JobSpec) -> list[str]:
    """Settings of a job that have no effect under its others; none where its kind or version is not known here."""
    tables: dict[str, Mapping[str, RegistryEntry]] = {"pretrain": METHODS, "finetune": TASKS, "probe": TASKS}
    try:
        return list(not_counting(build(config_class(tables[spec.kind], spec.method), spec.config)))
    except (KeyError, MedSSLError):
        return []


def _score(one: Round) -> str:
    """The score with its metric; a star marks one that does not compare with the others."""
    return "" if one.score is None else f"{one.metric} {one.score:.4f}{'' if one.comparable else ' *'}"


def _known(value: float | None) -> Any:
    return "" if value is None else value


def _find(store: JobStore, text: str) -> str:
    """The id of the job that has this id, name or beginning of an id.

    Raises:
        NotFoundError: none has. InputError: several have, or the text is blank: every job without a name would have that one.
    """
    if not text.strip():
        raise InputError(
            f"job {text!r}", "is neither an id nor a name", "See `medssl jobs list`; a job without a name has an id",
            code="job-blank",
        )  # fmt: skip
    views = store.list()
    found = [view.id for view in views if text in (view.id, view.spec.name)] or [
        view.id for view in views if view.id.startswith(text)
    ]
    if len(found) > 1:
        rule = f"means {len(found)} jobs: {', '.join(found[:3])}"
        raise InputError(f"job {text!r}", rule, "Give an id", code="job-ambiguous")
    if not found:
        near = closest_name(text, [name for view in views for name in (view.spec.name, view.id) if name])
        raise NotFoundError(f"job {text!r}", f"does not exist{near}", "See `medssl jobs list`", code="job-not-found")
    return found[0]


def _store(home: Path | None) -> JobStore:
    return JobStore(home_folder(home))
