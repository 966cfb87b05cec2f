"""Leakage between training and test: images that a model is measured on, looked up in the jobs that made it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medssl.core.capabilities import HEADS
from medssl.core.errors import MedSSLError, counted
from medssl.core.protocol import JobSpec

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


def found_in(seen: Seen, images: Iterable[str | Path]) -> tuple[int, str, int]:
    """How many of the images (compared by path) trained or chose the weights, what is said of them, and how many there are."""
    paths = {os.path.realpath(image) for image in images}
    found = Counter(seen.sets[path] for path in paths if path in seen.sets)
    names, count = ", ".join(f"set {name}: {n}" for name, n in sorted(found.items())), sum(found.values())
    return count, f"{'was' if count == 1 else 'were'} trained on, or chose the weights ({names})", len(paths)


def notes_on_start(home: Path, start: str, images: Iterable[str | Path]) -> tuple[str, ...]:
    """What to know of test images that weights, with which a training begins, have learnt with their labels."""
    from medssl.core.plan import read_plan
    from medssl.jobs.store import JobStore
    from medssl.networks import capabilities_of

    job = job_before(start) if start else ""
    plan = read_plan(start) if job and (JobStore(home).jobs / job / "spec.json").is_file() else None
    if plan is None or HEADS not in capabilities_of(plan):  # of another home, or learnt without labels
        return ()
    count, said, of = found_in(seen_by(home, job), images)
    if not count:
        return ()
    named = f"{NO_TEST}: {count} of {counted(of, 'test image')} {said}, with their labels, when job {job} made the weights to start from"
    return (f"{named}; the numbers do not show how good the model is on new images",)


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
            job = job_before(spec.start_from)
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


def job_before(start: str) -> str:
    """The job that made the weights which a job began with; "" where there were none, or none that name it."""
    from medssl.core.plan import read_plan

    plan = read_plan(start) if Path(start).suffix == ".safetensors" and Path(start).is_file() else None
    return str(plan.provenance.get("job", "")) if plan else ""
