"""Test images that the weights to begin with have learnt with their labels, said before a training and in its report."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from medssl.core.errors import counted
from medssl.jobs.rounds import job_of_model
from medssl.pretraining.seen import NO_TEST, job_before, notes_on_start
from medssl.tasks.history.recorded_split import history


def notes_on_tests(home: Path, start: str, images: Iterable[str | Path]) -> tuple[str, ...]:
    """At most one note, on test images that trained the weights or chose them: in a pretraining with labels, a fine-tuning or a probe.

    Images are known by their paths; what jobs of another home learnt from is not known here.
    """
    paths = {os.path.realpath(image) for image in images}
    job = (job_before(start) or job_of_model(home, start)) if start else ""
    if not job or (said := notes_on_start(home, start, paths)):
        return said if job else ()
    learnt, jobs = set[str](), list[str]()
    for split in history(home, job):
        if found := {path for path in paths if split.parts.get(path) in ("training", "validation")}:
            learnt |= found
            jobs.append(split.job)
    if not learnt:
        return ()
    named = f"{NO_TEST}: {len(learnt)} of {counted(len(paths), 'test image')} {'was' if len(learnt) == 1 else 'were'} trained on, or chose the weights"
    end = "the numbers do not show how good the model is on new images"
    return (f"{named}, with labels, when job {' or '.join(jobs)} made the weights to start from; {end}",)
