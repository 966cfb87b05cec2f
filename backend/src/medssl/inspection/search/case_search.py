"""The images of a set that are most similar to one image, by a CaseIndex of the set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import be, counted
from medssl.core.files import expanded, to_text
from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec, VolumeRef, to_json
from medssl.datasets.catalog.catalog import PATIENTS_UNKNOWN, patients_unknown
from medssl.datasets.entry import Entry
from medssl.images.formats.image_files import stem
from medssl.inspection.search.case_index import Case, CaseIndex

FOLDER = "indexes"  # of the home folder
SAME = 1 - 1e-6  # cosine above which two files show the same pixels
COLLAPSED = 1 - 1e-4  # mean cosine of a whole set, above which a model gives one embedding to whatever it sees
NAMED = 3  # images whose problems are reported


@dataclass(frozen=True)
class SimilarCases:
    """What a search found.

    Attributes:
        cases: the best first.
        patient: the query's own, as stated or as the set says; "": unknown.
        same: names of the set's images that are the query itself; they are no cases.
        everyone: mean cosine similarity of all images of the set to the query.
    """

    cases: list[Case]
    patient: str
    same: list[str]
    everyone: float = 0.0


def find_cases(
    index: CaseIndex, vector: np.ndarray, query: VolumeRef, count: int, same_patient: bool = False
) -> SimilarCases:
    """The cases most similar to an image.

    The image itself is left out where it is in the set, whatever file it came from, and so are the other images of its
    patient.

    Args:
        index: of the set.
        vector: the image's embedding.
        query: the image; its path and its patient are looked for in the set.
        count: at most so many.
        same_patient: other images of its patient count too.
    """
    similarities = index.similarities(vector)
    same = _same_image(query, index.entries, similarities)
    patient = query.patient or (index.entries[same[0]].patient if same else "")
    cases = index.query(vector, count, "" if same_patient else patient, same)
    return SimilarCases(cases, patient, [index.entries[n].name for n in same], float(np.mean(similarities)))


def index_folder(home: Path, data: DataSpec, plan: Plan, model: str, part: str, features: str) -> Path:
    """Where the index of a set under a model lies: its name is a digest of all that a vector depends on but the files."""
    data = with_full_paths(data)
    which = (data.path, data.pattern, data.modality, data.sets, data.exclude)
    volumes = [(one.path or one.sha256, one.view, one.inverted, one.modality) for one in data.volumes]
    lies = [plan.geometry.as_dict()] if plan.geometry.recorded else []  # it may be stated after an index was made
    text = to_text([plan.sha256 or model, plan.fidelity, part, features, to_json(which), volumes, *lies])
    return home / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:32]


def with_full_paths(data: DataSpec) -> DataSpec:
    """The same set by full paths, however it was named: they distinguish the images of an index, and stand in its table.

    The last part of a file's path stays as it is: a link may have another suffix than what it leads to, and a table's images
    lie beside the link.
    """
    volumes = tuple(replace(one, path=_full(one.path)) for one in data.volumes)
    return replace(data, path=_full(data.path), volumes=volumes)


def case_rows(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """The result's table: a row per case with the columns of the catalogue."""
    columns = dict.fromkeys(name for case in cases for name in (*case.entry.attributes, *case.entry.labels))
    rows = []
    for rank, case in enumerate(cases, 1):
        entry, found = case.entry, [name for name, value in case.entry.labels.items() if value == 1]
        known = {
            "rank": rank, "name": entry.name, "patient": entry.patient, "path": str(entry.image),
            "similarity": case.similarity, "distance": case.distance, "findings": ", ".join(found),
        }  # fmt: skip
        rows.append({**{name: entry.attributes.get(name, entry.labels.get(name)) for name in columns}, **known})
    order = ("rank", "name", "patient", "path", "similarity", "distance", "findings")
    return [{**{name: row[name] for name in order}, **row} for row in rows]


def name_of_set(data: DataSpec) -> str:
    """What to call a set: its file or folder, or its dataset specs."""
    if data.path:
        return stem(Path(data.path))
    return ", ".join(str(one.get("name", "")) for one in data.sets) or counted(len(data.volumes), "image")


def search_notes(data: DataSpec, index: CaseIndex, same: Sequence[str]) -> list[str]:
    """What the user should know of a search: images that were left out, and whether patients are known."""
    notes = [f"{name} is left out of the search: {why}" for name, why in index.problems[:NAMED]]
    if (more := len(index.problems) - NAMED) > 0:
        notes.append(f"{counted(more, 'further image')} {be(more)} left out of the search")
    if patients_unknown(data, ((entry.image, entry.patient) for entry in index.entries)):
        notes.append(PATIENTS_UNKNOWN)
    if same:
        notes.append(f"The image itself is in the set ({', '.join(same[:NAMED])}) and is not shown")
    return notes


def _same_image(query: VolumeRef, entries: Sequence[Entry], similarities: np.ndarray) -> list[int]:
    """Numbers of entries that are the query itself: the same file, or the same pixels in another one, as far as the model tells any apart."""
    telling = similarities.size and similarities.mean() <= COLLAPSED
    same = set(np.flatnonzero(similarities >= SAME).tolist()) if telling else set()
    if query.path:
        path = Path(query.path).resolve()
        same |= {
            n for n, entry in enumerate(entries) if entry.image.name == path.name and entry.image.resolve() == path
        }
    return sorted(same)


def _full(path: str) -> str:
    if not path:
        return ""
    plain = expanded(path)
    return str(plain.resolve() if plain.is_dir() else plain.parent.resolve() / plain.name)
