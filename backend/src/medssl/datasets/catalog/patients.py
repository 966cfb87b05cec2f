"""Whose image it is: PatientID, BIDS names, folders; and how the patient is called where it is stored or shown."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from medssl.core.files import disk_errors
from medssl.datasets.entry import Entry

PATIENT_ID, BIDS, FOLDER, FILE = "PatientID", "BIDS", "folder", "file"
PATIENTS_UNKNOWN = "patients unknown: each file counts as one; give a table or a dataset spec"
HASHED, PLAIN = "hashed", "plain"  # how a PatientID is stored and shown
KEY_FILE = "patient-key"  # in the home folder
DIGITS = 12
SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
NAMED = 3
MANY = 5  # images of a folder, on average, from which on it may be something else than a patient's
NOT_AN_ID = re.compile(  # what tools write for everybody when they remove a PatientID
    r"anon(ym\w*[a-z])?|deid(entified)?|removed|redacted|unknown|none|null|na|nil|noid|noname|patient|patientid|id|subject|"
    r"hidden|default|0+|(?P<letter>[a-z])(?P=letter){2,}|(?P<digit>\d)(?P=digit){4,}",
    re.IGNORECASE,
)


class SamePatients:
    """Patients of whom it turns out that they are one."""

    def __init__(self) -> None:
        self._called: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._called)

    def name(self, patient: str) -> str:
        """What a patient is called who may have been joined with others."""
        while patient in self._called:
            patient = self._called[patient]
        return patient

    def join(self, kept: str, gone: str) -> None:
        """Call one (of two different `name`s) as the other."""
        self._called[gone] = kept

    def names(self) -> set[str]:
        """Of those who are called as somebody else."""
        return {self.name(patient) for patient in self._called}


def stated_id(patient_id: str) -> str:
    """A PatientID as it counts: "" for what anonymisers write for everybody (anon, unknown, 0000, XXX)."""
    plain = re.sub(r"[\W_]+", "", patient_id)
    return "" if not plain or NOT_AN_ID.fullmatch(plain) else patient_id.strip()


def patient_name(patient_id: str, home: Path, how: str = HASHED) -> str:
    """What a PatientID is called in tables, jobs and reports: a keyed hash, the same in every run of one home folder.

    The key is random and lies in the home folder: short numbers could be found by trying if the hash had none. Another
    home gives other names, unless the file is copied there.

    Args:
        patient_id: as the file states it.
        home: holds the key, which is made at the first use.
        how: "plain" gives the PatientID itself.

    Raises:
        ResourceError: the home folder cannot be written.
    """
    if how == PLAIN:
        return patient_id
    digest = hmac.new(_key(home), patient_id.encode("utf-8", "backslashreplace"), hashlib.sha256)
    return f"P-{digest.hexdigest()[:DIGITS]}"


def subject_of(path: Path) -> str:
    """The subject of a BIDS file: the first folder `sub-…`, or what its name begins with; "" of other files."""
    for part in path.parts[:-1]:
        if SUBJECT.fullmatch(part):
            return part
    found = re.match(rf"({SUBJECT.pattern})(?=_)", path.name)
    return found[1] if found else ""


def patient_notes(entries: Iterable[Entry]) -> list[str]:
    """What every face says where it is not known whose images they are, or where folders may be no patients."""
    listed = list(entries)
    return [*_unknown_patients(listed), *_crowded_folders(listed)]


def _crowded_folders(entries: list[Entry]) -> list[str]:
    """Folders of classes (NORMAL, PNEUMONIA) or of visits (T0, T1) look like those of patients."""
    images = [entry for entry in entries if entry.whose == FOLDER]
    patients = dict.fromkeys(entry.patient for entry in images)
    if len(images) < MANY * len(patients) or not images:
        return []
    named = ", ".join(list(patients)[:NAMED])
    return [
        f"patients are taken from folders ({named}), which hold {len(images) / len(patients):.0f} images each on average: if these "
        "are classes or visits, one patient may train and test; give a table or a dataset spec"
    ]


def _unknown_patients(listed: list[Entry]) -> list[str]:
    unknown = [entry for entry in listed if entry.whose == FILE]
    if len(listed) < 2 or not unknown:
        return []
    if len(unknown) == len(listed):
        return [PATIENTS_UNKNOWN]
    names = ", ".join(entry.name for entry in unknown[:NAMED])
    return [
        f"patients unknown of {len(unknown)} of {len(listed)} images ({names}): each of these files counts as one; give a "
        "table or a dataset spec"
    ]


def sources(entries: Iterable[Entry]) -> dict[str, int]:
    """How many images each source of patients speaks for: {"PatientID": 12, "folder": 3}; none where a table says it."""
    counts: dict[str, int] = {}
    for entry in entries:
        if entry.whose:
            counts[entry.whose] = counts.get(entry.whose, 0) + 1
    return counts


def _key(home: Path) -> bytes:
    path = home / KEY_FILE
    if not path.is_file():
        with disk_errors(path):
            home.mkdir(parents=True, exist_ok=True)
            mine = home / f"{KEY_FILE}-{os.getpid()}-{secrets.token_hex(4)}"
            mine.touch(0o600)
            mine.write_bytes(secrets.token_bytes(32))
            try:
                os.link(mine, path)  # whole or not at all, and never over the key of another process
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                if not path.is_file():
                    os.replace(mine, path)
            mine.unlink(missing_ok=True)
    return path.read_bytes()
