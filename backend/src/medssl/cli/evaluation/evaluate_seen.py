"""Leakage between training and test: images that a model is measured on, looked up in the jobs that made it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medssl.cli.working import working
from medssl.core.errors import CatalogError, MedSSLError, counted
from medssl.core.protocol import JobSpec

TRAINED_TOO = "--trained-too"
NO_TEST = "NOT A TEST"


@dataclass(frozen=True)
class Seen:
    """Images that trained a model or chose its weights.

    Attributes:
        sets: resolved path of an image that trained or chose the weights -> its set.
        jobs: whose images these are, the last first.
        doubt: why that may not be all; empty: it is.
    """

    sets: dict[str, str]
    jobs: tuple[str, ...] = ()
    doubt: str = ""


def notes_on_seen(home: Path, job: str, images: Iterable[str | Path], allowed: bool) -> list[str]:
    """Notes of a report on the images that a pretrained Ark is measured on.

    Args:
        home: where the job lies, if it does.
        job: that trained the model, "" where its file names none.
        images: paths.
        allowed: measure images of the training too, with a note.

    Raises:
        CatalogError: some of the images were trained on, and that is not allowed.
    """
    with working("looking up what the model was trained on"):
        seen = seen_by(home, job)
    paths = {os.path.realpath(image) for image in images}
    found = Counter(seen.sets[path] for path in paths if path in seen.sets)
    if not found:
        none = f"Not one of these images (compared by path) trained job {' or '.join(seen.jobs)} or chose its weights"
        unknown = f"Whether these images were trained on is not known here: {seen.doubt}"
        return [none] * bool(seen.jobs) + [unknown] * bool(seen.doubt)
    names = ", ".join(f"set {name}: {count}" for name, count in sorted(found.items()))
    count, rule = (
        f"{sum(found.values())} of {counted(len(paths), 'image')}",
        f"{'was' if sum(found.values()) == 1 else 'were'} trained on, or chose the weights ({names})",
    )
    if not allowed:
        remedy = f"Measure others: --split test, or other images; {TRAINED_TOO} measures them all the same"
        raise CatalogError(count, rule, remedy, code="trained-on-test-images")
    return [f"{NO_TEST}: {count} {rule}; the numbers do not show how good the model is on new images"]


def seen_by(home: Path, job: str) -> Seen:
    """Training and validation images of a pretraining on dataset specs, and of those whose weights it began with."""
    from medssl.jobs.store import JobStore

    store, sets, jobs = JobStore(home), dict[str, str](), list[str]()
    doubt = "" if job else "the model's file does not name the job that trained it"
    while job:
        try:
            spec = store.spec(job)
            if not spec.data.sets:
                return Seen(sets, tuple(jobs), f"job {job} did not train on dataset specs")
            sets = {**_images(spec, store.folder(job)), **sets}
            jobs.append(job)
            job = _job_before(spec.start_from)
            doubt = (
                f"job {jobs[-1]} began with {spec.start_from}, which does not name the job that trained it"
                if spec.start_from
                else ""
            )
        except MedSSLError as error:  # the job or its sets are not in this home, or not what they were
            return Seen(sets, tuple(jobs), str(error).rstrip("."))
    return Seen(sets, tuple(jobs), doubt)


def _images(spec: JobSpec, folder: Path) -> dict[str, str]:
    from medssl.pretraining.spec_data import check_datasets_unchanged, read_set_parts

    parts = read_set_parts(spec.data, spec.config["training"]["seed"], lambda share, text: None)
    if (folder / "sets.json").is_file():
        check_datasets_unchanged(folder / "sets.json", parts)
    return {os.path.realpath(image): part.name for pair in parts for part in pair for image in part.images}


def _job_before(start: str) -> str:
    """The job that made the weights which a job began with; "" where there were none, or none that name it."""
    from medssl.core.plan import read_plan

    plan = read_plan(start) if Path(start).suffix == ".safetensors" and Path(start).is_file() else None
    return str(plan.provenance.get("job", "")) if plan else ""
