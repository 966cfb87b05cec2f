"""Which images are labelled already, so that further ones should differ from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.entry import Entry
from medssl.inspection.search.case_search import with_full_paths
from medssl.jobs.rounds import job_of_model, kept_patients
from medssl.jobs.split_record import read_split
from medssl.jobs.store import JobStore

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class Images:
    """A set of images and what lies in it."""

    data: DataSpec
    entries: list[Entry]


def images_of(home: Path, model: str) -> list[Images]:
    """The labelled images of a model's job, its validation and test images marked; none where the model is no job's.

    What lies in its folder without having been learnt from or labelled since is a candidate like any other.

    Raises:
        CatalogError, NotFoundError: its images are gone.
    """
    job = job_of_model(home, model)
    if not job:
        return []
    store = JobStore(home)
    spec = store.spec(job)
    if spec.kind != "finetune":
        return []
    data, held_out = with_full_paths(spec.data), kept_patients(store, job)
    learnt = {os.path.realpath(row["image"]) for row in read_split(store.folder(job), home)}
    entries = [
        replace(one, split=held_out.get(one.patient, "training"))
        for one in read_catalog(data, home, channels=True)
        if one.mask is not None or not learnt or os.path.realpath(one.image) in learnt
    ]
    return [Images(data, entries)]


def split_by_label(entries: Sequence[Entry], known: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Candidates and labelled images.

    Images with a label map are labelled, and so is all of `known`, which are no candidates any more. What validates or tests
    teaches nothing: it counts for neither, so that a candidate like it is not taken for known.

    Args:
        entries: images that were asked about.
        known: further labelled ones.
    """
    paths = {_place(one) for one in known}
    own = [one for one in entries if one.mask is not None and _place(one) not in paths]
    candidates = [one for one in entries if one.mask is None and one.split not in HELD_OUT and _place(one) not in paths]
    labelled = [one for one in [*known, *own] if one.split not in HELD_OUT]
    return candidates, labelled


def _place(entry: Entry) -> tuple[str, str]:
    return str(entry.image.resolve()), entry.part
