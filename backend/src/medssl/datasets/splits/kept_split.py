"""The split of an earlier training, kept for the next one, and that of a training that goes on: only so do scores compare."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medssl.core.errors import CatalogError, counted, listed
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import Entry, shown
from medssl.jobs.split_record import WHICH

if TYPE_CHECKING:
    from medssl.datasets.cache.filling import Skipped

NAMED = 5  # patients


def keep_split(catalog: Catalog, record: Sequence[Mapping[str, str]], job: str) -> Catalog:
    """The catalogue with the held-out patients of a job marked as they were, and all others as training images.

    Args:
        catalog: of the next training.
        record: rows with patient and split, see `jobs.split_record`.
        job: whose they are, for messages.

    Raises:
        CatalogError: the job recorded no split, a held-out patient is missing, or the table's own split says otherwise.
    """
    kept = {row["patient"]: row["split"] for row in record if row["split"] != "training"}
    if not kept:
        raise CatalogError(
            f"job {job}", "recorded no validation cases", "Name a finished fine-tuning, or leave validation_of out",
            code="split-not-recorded",
        )  # fmt: skip
    patients = {entry.patient for entry in catalog}
    if missing := [patient for patient, split in kept.items() if patient not in patients and split == "validation"]:
        raise CatalogError(
            f"validation cases {listed(missing, NAMED)}", f"of job {job} are not among the images, so that scores would not compare",
            "Add them with their label maps again, or leave validation_of out to draw new ones", code="validation-case-missing",
        )  # fmt: skip
    entries = []
    for entry in catalog:
        split = kept.get(entry.patient, "training")
        if entry.split and entry.split != split:
            raise CatalogError(
                f"split of patient {entry.patient}", f"is {entry.split} in the table, and was {split} in job {job}",
                "Leave the column out, or leave validation_of out", code="validation-differs",
            )  # fmt: skip
        entries.append(replace(entry, split=split))
    return replace(catalog, entries=tuple(entries))


def as_begun(catalog: Catalog, record: Sequence[Mapping[str, str]]) -> tuple[Catalog, int]:
    """The images that a training began with, marked and in the order as they were then, and how many there are beside them.

    Those are left out: drawn anew, the split would put patients who were trained on among those who test.

    Args:
        catalog: as it is now.
        record: what the training wrote when it began, see `jobs.split_record`.

    Raises:
        CatalogError: an image of then is missing.
    """
    apart = all(WHICH in row for row in record)  # records of earlier versions do not tell images in one file apart
    there: dict[tuple[str, str], list[Entry]] = {}
    for entry in catalog:
        there.setdefault((str(entry.image), which(entry) if apart else ""), []).append(entry)
    entries, gone = [], []
    for row in record:
        several = there.get((row["image"], row[WHICH] if apart else ""))
        if several:
            entries.append(replace(several.pop(0), split=row["split"]))
        else:
            gone.append(row["name"] or row["image"])
    if gone:
        raise CatalogError(
            f"images {listed(gone, NAMED)}", "were in the set when this training began, and are not there now as they were",
            "Put them back as they were and resume, or begin a new training", code="split-changed",
        )  # fmt: skip
    return replace(catalog, entries=tuple(entries)), len(catalog) - len(entries)


def unreadable_now(skipped: Sequence[Skipped]) -> CatalogError:
    """The error where images that a training began with cannot be used when it goes on: without them it would be another one."""
    first = skipped[0]
    return CatalogError(
        f"{counted(len(skipped), 'image')}, the first {first.entry.image}",
        f"cannot be used now, and could when this training began: {first.reason}",
        "Resume when it can be read again, or begin a new training", code="split-changed",
    )  # fmt: skip


def which(entry: Entry) -> str:
    """What tells an image from others in the same file: part, view and place."""
    return shown(entry).removeprefix(str(entry.image))


def missing_tests(catalog: Catalog, record: Sequence[Mapping[str, str]], job: str) -> list[str]:
    """What to know of test patients of a job whose images are gone: none is drawn in their place, since all others have trained."""
    patients = {entry.patient for entry in catalog}
    if gone := list(
        dict.fromkeys(row["patient"] for row in record if row["split"] == "test" and row["patient"] not in patients)
    ):
        return [
            f"Test cases {listed(gone, NAMED)} of job {job} are not among the images: scores on the others are of fewer cases"
        ]
    return []


def changed_truth(entries: Sequence[Entry], record: Sequence[Mapping[str, str]]) -> list[str]:
    """What to know of validation images whose label maps are others than those that were measured against before."""
    before: dict[str, set[str]] = {}
    for row in record:
        if row["split"] == "validation" and row["mask_sha256"]:
            before.setdefault(row["patient"], set()).add(row["mask_sha256"])
    changed = [e.name for e in entries if e.patient in before and digest(e.mask) not in before[e.patient] | {""}]
    if not changed:
        return []
    return [
        f"Label maps of validation cases were changed since ({listed(changed, NAMED)}): scores before and after have other truths"
    ]


def split_rows(parts: Mapping[str, Sequence[Entry]]) -> list[dict[str, Any]]:
    """Rows of `jobs.split_record`, a row per image."""
    return [
        {
            "image": str(entry.image), "name": entry.name, "patient": entry.patient, "split": split,
            "mask": str(entry.mask or ""), "mask_sha256": digest(entry.mask) if split == "validation" else "",
            WHICH: which(entry),
        }
        for split, entries in parts.items() for entry in entries
    ]  # fmt: skip


def digest(mask: Path | None) -> str:
    """SHA-256 of a label map's file; "" for none and for folders."""
    if mask is None or not mask.is_file():
        return ""
    return hashlib.sha256(mask.read_bytes()).hexdigest()
