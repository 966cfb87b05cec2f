"""Why a reference names no model: a job that has not finished, one without a model, or a name that nothing has."""

from __future__ import annotations

from pathlib import Path

from medssl.core.errors import InputError, MedSSLError, NotFoundError, StateError, closest_name
from medssl.core.files import expanded
from medssl.core.protocol import FINISHED, QUEUED, RESUMABLE_STATES, RUNNING, JobView
from medssl.jobs.store import JobStore

SHORTEST = 8  # letters of an id's beginning: its date


def missing_model(home: Path, reference: str, what: str = "model", also: str = "") -> MedSSLError:
    """The error for a reference that is neither the model of a job nor a file.

    Args:
        home: the home folder, whose jobs are looked through.
        reference: as it was given.
        what: it was to be: "model", "weights to start from".
        also: what else could be given, for the remedy.

    Returns:
        A StateError that names the job's state and how to go on where a job of this id, beginning of an id or name is not
        finished; else a NotFoundError with the nearest names.
    """
    views = JobStore(home).list()
    named = [view for view in views if reference and (view.id == reference or view.spec.name == reference)]
    begun = [view for view in views if len(reference) >= SHORTEST and view.id.startswith(reference)]
    if found := named or begun:
        return _of_job(found[0], what, home)
    path = expanded(reference)
    if reference and path.is_dir():
        rule = "is a folder, and weights are one file"
        return NotFoundError(f"{what} {reference!r}", rule, f"Give {_inside(path)}", code="model-not-found")
    names = {name: None for view in views for name in (view.spec.name, view.id) if name}
    rule = f"is neither a finished job nor a weight file{closest_name(reference, names)}"
    remedy = "; ".join(filter(None, ["See `medssl jobs list`", also]))
    return NotFoundError(f"{what} {reference!r}", rule, remedy, code="model-not-found")


def _of_job(view: JobView, what: str, home: Path) -> MedSSLError:
    job, status = view.spec.name or view.id, view.status
    value = f"{what} {job!r}" if job == view.id else f"{what} {job!r} (job {view.id})"
    done = f" at step {status.step} of {status.steps}" if status.steps and status.step else ""
    path = JobStore(home).folder(view.id) / "results" / "model.safetensors"
    so_far = f"; its best weights so far are {path}" if path.is_file() else ""
    if status.state == FINISHED:
        rule = f"has finished and holds no model: jobs of the kind {view.spec.kind} leave none"
        remedy = "Name a pretraining, fine-tuning or probe; see `medssl jobs list`"
        if path.is_file():
            rule, remedy = "is the beginning of a job's id", f"Give the whole id: {view.id}"
        return InputError(value, rule, remedy, code="job-without-model")
    remedy = f"See `medssl jobs show {view.id}`"
    if status.state in RESUMABLE_STATES:
        remedy = f"Go on with it by `medssl jobs resume {view.id}`{so_far}"
    elif status.state in (QUEUED, RUNNING):
        remedy = f"Wait for it: `medssl jobs follow {view.id}`{so_far}"
    why = f": {status.error['message'].rstrip('.')}" if status.error and status.error.get("message") else ""
    return StateError(value, f"is {status.state}{done}{why}", remedy, code="model-not-ready")


def _inside(folder: Path) -> str:
    """The weight file in a folder, the job's own where it is a job's folder."""
    found = next(
        (
            path
            for path in (folder / "results" / "model.safetensors", *sorted(folder.glob("*.safetensors")))
            if path.is_file()
        ),
        None,
    )
    return str(found) if found else "the file in it"
