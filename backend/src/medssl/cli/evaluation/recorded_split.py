"""The split that a model's own job drew, where the data name none: drawn again by the code and the settings of that job."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medssl.cli.evaluation.evaluate_seen import NO_TEST
from medssl.core.errors import CatalogError, MedSSLError, counted
from medssl.core.protocol import JobSpec
from medssl.datasets.entry import Entry
from medssl.jobs.store import JobStore


@dataclass(frozen=True)
class RecordedSplit:
    """Parts of a job's own split: resolved path of an image -> training, validation or test."""

    job: str
    parts: dict[str, str] = field(default_factory=dict)

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


def training_notes(home: Path, job: str, images: Iterable[Path | None]) -> list[str]:
    """The note on images that a fine-tuned model learnt from or was chosen by; none where no such image is known."""
    recorded = recorded_split(home, job) if job else None
    if recorded is None:
        return []
    found = Counter(recorded.parts.get(os.path.realpath(image), "") for image in images if image)
    said = {"training": "trained the model", "validation": "chose its weights", "test": "are of its own test"}
    parts = [f"{found[part]} {text}" for part, text in said.items() if found[part]]
    if not found["training"] + found["validation"]:
        return []
    return [f"{NO_TEST}: of {counted(sum(found.values()), 'image')}, {', '.join(parts)} (job {job})"]


def recorded_split(home: Path, job: str) -> RecordedSplit | None:
    """The split of a job of this home; None where it is not here, or where its split cannot be drawn again for sure."""
    store = JobStore(home)
    try:
        spec = store.spec(job)
        if "unreadable-image" in {event.get("code") for event in _warnings(store, job)}:
            return None  # the split was drawn again without these
        parts = _of_sets(spec, store.folder(job)) if _learns_from_sets(spec) else _of_catalogue(spec, home)
    except MedSSLError:
        return None
    return RecordedSplit(job, parts) if parts else None


def _learns_from_sets(spec: JobSpec) -> bool:
    return spec.kind == "pretrain" and bool(spec.data.sets)


def _of_sets(spec: JobSpec, folder: Path) -> dict[str, str]:
    from medssl.pretraining.spec_data import check_datasets_unchanged, read_set_parts

    parts = read_set_parts(spec.data, spec.config["training"]["seed"], lambda share, text: None)
    if (folder / "sets.json").is_file():
        check_datasets_unchanged(folder / "sets.json", parts)
    names = ("training", "validation")
    return {os.path.realpath(image): name for pair in parts for name, part in zip(names, pair) for image in part.images}


def _of_catalogue(spec: JobSpec, home: Path) -> dict[str, str]:
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.datasets.splits.split import split_for_task

    if spec.kind not in ("finetune", "probe"):
        return {}
    split = split_for_task(read_catalog(spec.data, home, channels=True), spec.data)
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    return {os.path.realpath(entry.image): name for name, part in parts.items() for entry in part}


def _warnings(store: JobStore, job: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    after = 0
    while True:
        events, after = store.events(job, after)
        if not events:
            return found
        found += [event for event in events if event["type"] == "warning"]
