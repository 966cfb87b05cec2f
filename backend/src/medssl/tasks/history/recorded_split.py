"""The split that a model's own job had, where the data name none: as that job recorded it, else drawn again for sure."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medssl.core.errors import CatalogError, MedSSLError, be, counted, listed
from medssl.core.home import in_home
from medssl.core.tables import read_table
from medssl.jobs.rounds import job_of_model
from medssl.jobs.split_record import SPLIT, read_split
from medssl.jobs.store import JobStore
from medssl.pretraining.seen import NO_TEST, job_before
from medssl.tasks.history.split_part import Part

if TYPE_CHECKING:
    from medssl.datasets.entry import Entry

PARTS = ("test", "validation", "training")  # of an image that is in two, the last counts
FOLDS = "results/folds.csv"  # of an ensemble
NAMED = 5  # patients that a note names


@dataclass(frozen=True)
class RecordedSplit:
    """Parts of a job's own split.

    Attributes:
        job: whose it is.
        parts: resolved path of an image -> training, validation or test.
        doubt: why these may not be all; empty: they are.
        patients: names of those whose images trained it or chose its weights.
    """

    job: str
    parts: dict[str, str] = field(default_factory=dict)
    doubt: str = ""
    patients: frozenset[str] = frozenset()

    def of(self, entries: Sequence[Entry], split: str) -> list[Entry]:
        """The entries of a part.

        Raises:
            CatalogError: there are none; it names the parts that there are.
        """
        found = [self.parts.get(os.path.realpath(entry.image), "") for entry in entries]
        chosen = [entry for entry, part in zip(entries, found) if part == split]
        if not chosen:
            there = ", ".join(f"{found.count(part)} {part}" for part in sorted({*found} - {""})) or "none of them"
            rule = f"has none of these {counted(len(entries), 'image')}: the data name no splits, and job {self.job} drew {there}"
            raise CatalogError(f"split {split}", rule, "Name one of these, or leave --split out", code="split-empty")
        return chosen

    def note(self, split: str, count: int) -> str:
        """What a report says of a part."""
        return f"The data name no splits: here is the {split} part ({counted(count, 'image')}) of the split that job {self.job} drew itself"


def training_notes(home: Path, job: str, images: Sequence[Path | None], patients: Sequence[str] = ()) -> list[str]:
    """Notes on images that a fine-tuned model, or one that it began with, learnt from or was chosen by.

    None where no such image is known, and what each of these jobs learnt from is.

    Args:
        home: where the jobs lie.
        job: that trained the model.
        images: paths; None: unknown.
        patients: whose they are, of each; other images of a patient who trained the model are no test either.
    """
    splits = history(home, job)
    parts = _by_path(pair for split in splits for pair in split.parts.items())
    paths = [os.path.realpath(image) if image else "" for image in images]
    found = Counter(parts.get(path, "") for path in paths if path)
    said = {"training": "trained the model", "validation": "chose its weights", "test": "are of its own test"}
    parts_said = ", ".join(f"{found[part]} {text}" for part, text in said.items() if found[part])
    learnt = found["training"] + found["validation"]
    jobs = " or ".join(split.job for split in splits if any(path in split.parts for path in paths))
    known = found["training"] + found["validation"] + found["test"]
    notes = [f"{NO_TEST}: of {counted(known, 'image')}, {parts_said} (job {jobs})"] * bool(learnt)
    notes += _patient_notes(splits, [patient for path, patient in zip(paths, patients) if path not in parts])
    doubts = "; ".join(split.doubt for split in splits if split.doubt)
    whether = f"Whether {'more' if learnt else 'any'} of these images trained the model is not known here: {doubts}"
    return notes + [whether] * bool(doubts)


def _patient_notes(splits: Sequence[RecordedSplit], patients: Sequence[str]) -> list[str]:
    """A note on images that a job did not have, of patients whom it had by name."""
    before = frozenset[str]().union(*(split.patients for split in splits))
    count = sum(patient in before for patient in patients)
    if not count:
        return []
    names = sorted(before & {*patients})
    jobs = " or ".join(split.job for split in splits if split.patients & {*names})
    whose = f"{counted(count, 'further image')} {be(count)} of patients named as those whose images trained the model"
    return [
        f"{whose} (job {jobs}; {listed(names, NAMED)}): where they are the same patients, the numbers do not show how good it is on new ones"
    ]


def recorded_split(home: Path, job: str) -> RecordedSplit | None:
    """The split of a job of this home; None where it is not here, or neither recorded its split nor can draw it again for sure."""
    split = _split_of(home, job)
    return split if split.parts else None


def _split_of(home: Path, job: str) -> RecordedSplit:
    from medssl.tasks.history.redrawn_split import redrawn_parts

    store, held = JobStore(home), list[Part]()
    try:
        kind, folder = store.spec(job).kind, store.folder(job)
        held = _in_home(_folds(folder) if kind == "ensemble" else read_split(folder), home)
        complete = kind == "ensemble" or (folder / SPLIT).is_file()
        return _with_parts(job, held if complete else redrawn_parts(store, job))
    except MedSSLError as error:  # of earlier segmentations the validation and test cases are known all the same
        return _with_parts(job, held, str(error).rstrip("."))


def _with_parts(job: str, rows: Iterable[Part], doubt: str = "") -> RecordedSplit:
    rows = list(rows)
    learnt = frozenset(row.patient for row in rows if row.split in ("training", "validation"))
    return RecordedSplit(job, _by_path((row.image, row.split) for row in rows), doubt, learnt - {""})


def history(home: Path, job: str) -> list[RecordedSplit]:
    """The splits of a job and of those whose weights it began with, the last first; of such as learnt without labels, empty ones."""
    found: list[RecordedSplit] = []
    while job and job not in {split.job for split in found}:
        found.append(_split_of(home, job))
        try:
            start = JobStore(home).spec(job).start_from
            job = job_before(start) or job_of_model(home, start) if start else ""
        except MedSSLError:  # which the doubt of its split says
            job = ""
    return found


def _folds(folder: Path) -> list[dict[str, str]]:
    """Rows of an ensemble: images of a fold trained all its networks but one."""
    rows = read_table(folder / FOLDS, ("image", "fold")).rows
    return [{**row, "split": "test" if row["fold"] == "test" else "training"} for row in rows]


def _in_home(rows: Iterable[Mapping[str, str]], home: Path) -> list[Part]:
    return [Part(in_home(row["image"], home), row["split"], row.get("patient", "")) for row in rows]


def _by_path(parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    known = sorted((pair for pair in parts if pair[1] in PARTS), key=lambda pair: PARTS.index(pair[1]))
    return {os.path.realpath(image): part for image, part in known}
