"""Series without a PatientID that are of one patient all the same: they share a study, or the patient's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from medssl.core.errors import counted
from medssl.datasets.catalog.patients import FILE, FOLDER, PATIENT_ID, SamePatients, stated_id
from medssl.datasets.entry import Entry

STUDY_OR_NAME = "study or PatientName"
SHORTEST_UID = 16  # characters: the root of an organisation and what makes it unique


def links_of(study: str, person: str) -> tuple[str, ...]:
    """What an image shares with others of its patient: its study, and the name where it is one (no "Anonymous").

    A UID of a few digits is one that a tool writes for everybody.
    """
    name = " ".join(person.replace("^", " ").split()).casefold()
    return (*([f"study {study}"] if len(study) >= SHORTEST_UID else []), *([f"name {name}"] if stated_id(name) else []))


def linked_patients(entries: Sequence[Entry], links: Sequence[tuple[str, ...]]) -> tuple[list[Entry], list[str]]:
    """The entries, with one patient for those that a link joins, and a note where that changed anything.

    Only folders and file names give way: a PatientID or a BIDS subject stays what it is, and passes to the images without
    one that share a study with it. A name that all bear tells nobody apart: it says nothing.
    """
    names = {link for one in links for link in one if link.startswith("name ")}
    links = links if len(names) > 1 else [tuple(link for link in one if link not in names) for one in links]
    same = SamePatients()
    first: dict[str, Entry] = {}
    fixed = {entry.patient for entry in entries if entry.whose not in (FOLDER, FILE)}
    order = sorted(range(len(entries)), key=lambda n: entries[n].whose != PATIENT_ID)
    for n in order:
        for link in links[n]:
            other = same.name(first.setdefault(link, entries[n]).patient)
            mine = same.name(entries[n].patient)
            if mine == other or (mine in fixed and other in fixed):
                continue
            kept, gone = (mine, other) if mine in fixed else (other, mine)
            same.join(kept, gone)
    if not same:
        return list(entries), []
    changed = same.names()
    united = [
        replace(entry, patient=same.name(entry.patient), whose=entry.whose if entry.patient in fixed else STUDY_OR_NAME)
        if same.name(entry.patient) in changed
        else entry
        for entry in entries
    ]
    count = sum(entry.whose == STUDY_OR_NAME for entry in united)
    note = (
        f"{counted(count, 'image')} without a PatientID {'shares' if count == 1 else 'share'} a study or a PatientName with others: they count as one patient, "
        "wherever they lie; a table says it otherwise"
    )
    return united, [note]
