"""The images of a set that are most similar to one image: a CaseIndex of the set and a picture of what was found."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import nn

from medssl.core.errors import CatalogError, ConfigError
from medssl.core.files import to_text, write_atomic
from medssl.core.protocol import DataSpec, VolumeRef, to_json
from medssl.core.requests import RetrieveRequest
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import PATIENTS_UNKNOWN, patients_unknown, read_catalog
from medssl.datasets.entry import Entry
from medssl.images.formats.image_files import stem
from medssl.inspection.search.case_images import describe_query, features_of
from medssl.inspection.search.case_index import Case, CaseIndex, Changes
from medssl.reports.figures.similar_cases import draw_cases

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext

FOLDER = "indexes"  # of the home folder
SAME = 1 - 1e-6  # cosine above which two files show the same pixels
BUILDING = 0.9  # of the progress
TOLD = 3  # problems that are named
MOST = 200  # cases


def inspect(asked: RetrieveRequest, context: FolderContext) -> None:
    """Answer a RetrieveRequest; the first one of a set embeds all of its images, later ones what is new.

    The query's own image is left out where it is in the set, whatever file it came from, and so are the other images of its
    patient unless `same_patient` asks for them. Rows have `findings` too: names of the labels that are 1.

    Raises:
        CatalogError: no set, or nothing in it that could be found.
        ConfigError: unknown features, or a count that is none.
        VolumeError, InputError: the query is no image for this model.
    """
    asked = replace(asked, data=resolved(asked.data))
    if not 1 <= asked.count <= MOST:
        raise ConfigError(f"count = {asked.count}", f"must lie between 1 and {MOST}", "8 fill a gallery")
    context.progress(0.0, "loading the model")
    net = context.model(asked.model, "", asked.device, asked.part)
    features = features_of(net, asked.features)
    query = describe_query(context.volume(asked.volume), net, features, asked.volume.view, asked.volume.inverted)
    index, changes, seconds = _index(asked, features, net, context)
    begun = time.perf_counter()
    similarities = index.similarities(query.vector)  # type: ignore[arg-type]
    same = _same_image(asked.volume, index.entries, similarities)
    patient = asked.volume.patient or (index.entries[same[0]].patient if same else "")
    cases = index.query(query.vector, asked.count, "" if asked.same_patient else patient, same)  # type: ignore[arg-type]
    query_ms = 1000 * (time.perf_counter() - begun)
    if not cases:
        raise CatalogError(
            _name_of(asked.data),
            "holds no other image to compare with",
            "Choose a larger set, or allow the same patient",
        )
    table = rows_of(cases)
    files = _write_files(context.folder, query.thumbnail, index, cases, table, asked.volume.name or "query")
    info = {
        "images": len(index), "added": changes.added, "changed": changes.changed, "removed": changes.removed,
        "skipped": changes.skipped, "index_s": seconds, "query_ms": query_ms, "features": features, "model": asked.model,
        "set": _name_of(asked.data), "patient": patient, "left_out": [index.entries[n].name for n in same],
        "notes": _notes(asked.data, index, [index.entries[n].name for n in same]),
    }  # fmt: skip
    context.finish(files, table, info)


def index_folder(home: Path, asked: RetrieveRequest, features: str, net: nn.Module) -> Path:
    """Where the index of a set under a model lies: its name is a digest of all that a vector depends on but the files."""
    plan: Any = net.plan
    data = resolved(asked.data)
    which = (data.path, data.pattern, data.modality, data.sets, data.exclude)
    volumes = [(one.path or one.sha256, one.view, one.inverted, one.modality) for one in data.volumes]
    text = to_text([plan.sha256 or asked.model, plan.fidelity, asked.part, features, to_json(which), volumes])
    return home / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:32]


def resolved(data: DataSpec) -> DataSpec:
    """The same set by full paths, however it was named: they tell the images of an index apart, and stand in its table.

    The last part of a file's path stays as it is: a link may have another suffix than what it leads to, and a table's images
    lie beside the link.
    """
    volumes = tuple(replace(one, path=_full(one.path)) for one in data.volumes)
    return replace(data, path=_full(data.path), volumes=volumes)


def _full(path: str) -> str:
    if not path:
        return ""
    plain = Path(path).expanduser()
    return str(plain.resolve() if plain.is_dir() else plain.parent.resolve() / plain.name)


def rows_of(cases: Sequence[Case]) -> list[dict[str, Any]]:
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


def _index(
    asked: RetrieveRequest, features: str, net: nn.Module, context: FolderContext
) -> tuple[CaseIndex, Changes, float]:
    """The set's index in step with its files, what changed, and the seconds it took."""
    context.progress(0.0, "listing the images")
    begun = time.perf_counter()
    entries = list(read_catalog(asked.data, context.home))
    folder = index_folder(context.home, asked, features, net)
    index: CaseIndex = context.kept(("index", folder), lambda: CaseIndex(folder))

    def tell(done: int, wanted: int) -> None:
        context.progress(BUILDING * done / wanted, f"describing image {done} of {wanted}")

    changes = index.update(entries, net, features, tell)
    if not len(index):
        why = f"the first one: {index.problems[0][1]}" if index.problems else "it is empty"
        raise CatalogError(
            _name_of(asked.data), f"holds no image that the model can take ({why})", "Choose another set"
        )
    return index, changes, time.perf_counter() - begun


def _same_image(query: VolumeRef, entries: Sequence[Entry], similarities: np.ndarray) -> list[int]:
    """Numbers of entries that are the query itself: the same file, or the same pixels in another one."""
    same = set(np.flatnonzero(similarities >= SAME).tolist())
    if query.path:
        path = Path(query.path).resolve()
        same |= {
            n for n, entry in enumerate(entries) if entry.image.name == path.name and entry.image.resolve() == path
        }
    return sorted(same)


def _write_files(
    folder: Path, query: bytes, index: CaseIndex, cases: Sequence[Case], table: list[dict[str, Any]], name: str
) -> list[str]:
    pictures = {"query.png": _opened(query)}
    pictures |= {f"case-{rank}.png": _opened(index.thumbnail(case)) for rank, case in enumerate(cases, 1)}
    pictures["montage.png"] = draw_cases(pictures["query.png"], name, list(pictures.values())[1:], table)
    for file, picture in pictures.items():
        data = io.BytesIO()
        picture.save(data, "PNG", compress_level=1)  # small pictures: writing them takes longer than sending them
        write_atomic(folder / file, data.getvalue(), durable=False)
    write_table(table, folder / "table.csv")
    return [*pictures, "table.csv"]


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def _notes(data: DataSpec, index: CaseIndex, same: list[str]) -> list[str]:
    notes = [f"{name} is left out of the search: {why}" for name, why in index.problems[:TOLD]]
    if len(index.problems) > TOLD:
        notes.append(f"{len(index.problems) - TOLD} further images are left out of the search")
    if patients_unknown(data, ((entry.image, entry.patient) for entry in index.entries)):
        notes.append(PATIENTS_UNKNOWN)
    if same:
        notes.append(f"The image itself is in the set ({', '.join(same[:TOLD])}) and is not shown")
    return notes


def _name_of(data: DataSpec) -> str:
    if data.path:
        return stem(Path(data.path))
    return ", ".join(str(one.get("name", "")) for one in data.sets) or f"{len(data.volumes)} images"
