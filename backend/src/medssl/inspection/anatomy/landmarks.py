"""Landmark retrieval error: how far from a landmark of one patient does a model find it in another?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medssl.core.errors import CatalogError, ConfigError, InputError, WeightsError
from medssl.core.protocol import VolumeRef
from medssl.core.requests import LandmarksRequest
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import Catalog, Entry, read_catalog
from medssl.evaluation.landmark_errors import ALL, difference, landmark_rows
from medssl.inference.untrained import split_reference
from medssl.inspection.anatomy.landmark_points import Landmarks, match_landmarks, read_landmarks
from medssl.inspection.anatomy.landmark_search import Frame, Query, errors_of, make_queries, retrieve, same_coordinates
from medssl.inspection.anatomy.similarity import check_point

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext

BASELINE, UNTRAINED = "same coordinates", "untrained"
UNITS = ("auto", "mm", "percent")
PIXEL = "pixel_mm"  # a catalogue column with a pixel's side, for images in formats that cannot say it
WEIGHTS = (".safetensors", ".pt", ".pth")  # how names of weight files end
MOST_VALUES = 8  # of a column that makes groups


@dataclass(frozen=True)
class LandmarkErrors:
    """Every retrieval of every model. `error` is in `unit`, `cells` in cells of the network, both (queries,) per model."""

    queries: list[Query]
    places: dict[str, np.ndarray]  # (queries, 2) pixels
    error: dict[str, np.ndarray]
    cells: dict[str, np.ndarray]
    similarity: dict[str, np.ndarray]
    unit: str


def inspect(asked: LandmarksRequest, context: FolderContext) -> None:
    """Answer a LandmarksRequest: landmarks.csv, pairs.csv, report.html and a picture."""
    _check(asked)
    context.progress(0.0, "reading the landmarks")
    catalog = read_catalog(asked.data, context.home)
    rows = read_landmarks(asked.landmarks) if asked.landmarks else asked.points
    landmarks, skipped = match_landmarks(rows, catalog, partial=bool(asked.data.exclude))
    members = {column: group_values(catalog, column) for column in asked.groups}
    queries = make_queries(landmarks, [entry.patient for entry in catalog], asked.pairs, asked.seed)
    if not queries:
        raise CatalogError(
            f"{len(landmarks)} images with landmarks",
            "share no landmark across two patients",
            "Give landmarks of several patients, under the same names",
        )
    found = _look(asked, context, catalog, landmarks, queries)
    table, differences, notes = _judge(asked, catalog, found, members)
    if skipped:
        notes.append(f"{skipped} landmarks of images that are left out were not used")
    _write(context, asked, catalog, landmarks, found, table, differences, notes)


def group_values(catalog: Catalog, column: str) -> list[str]:
    """The value of an attribute column for every image.

    Raises:
        CatalogError: no such column, or too many values to make groups.
    """
    values = [value_of(entry, column) for entry in catalog]
    if all(value is None for value in values):
        known = sorted({name for entry in catalog for name in (*entry.attributes, *entry.labels)})
        raise CatalogError(
            f"group {column!r}",
            "is no column of the catalogue",
            f"Use one of {', '.join(known) or 'its columns (none)'}",
        )
    if len(set(values)) > MOST_VALUES:
        raise CatalogError(
            f"group {column!r} of {len(set(values))} values",
            f"is more than {MOST_VALUES}",
            "Choose a column with few values",
        )
    return [value or "unknown" for value in values]


def value_of(entry: Entry, column: str) -> str | None:
    """An entry's value in a column, as text; None where it has none."""
    if column in entry.labels:
        return f"{entry.labels[column]:g}"
    return entry.attributes.get(column)


def model_names(references: Sequence[str]) -> list[str]:
    """What to call models: file names without suffix where these tell them apart, else the references themselves."""
    short = [Path(one).stem if one.endswith(WEIGHTS) else one for one in references]
    return short if len(set(short)) == len(short) else list(references)


def _check(asked: LandmarksRequest) -> None:
    if bool(asked.landmarks) == bool(asked.points):
        raise InputError("landmarks", "must come from a CSV or as points, one of the two", "Give one of the two")
    if not asked.models:
        raise InputError("models", "are missing", "Name one at least, for example untrained:default")
    if len(set(asked.models)) < len(asked.models):
        raise InputError("models", "repeat themselves", "Name each once")
    if asked.unit not in UNITS:
        raise ConfigError(f"unit {asked.unit!r}", "is unknown", f"Use one of {', '.join(UNITS)}")
    if asked.pairs < 0:
        raise ConfigError(f"pairs = {asked.pairs}", "must not be below 0", "0 takes all")


def _look(
    asked: LandmarksRequest, context: FolderContext, catalog: Catalog, landmarks: Landmarks, queries: list[Query]
) -> LandmarkErrors:
    """Let every model look for every landmark."""
    models = _contestants(asked, context)
    refs = [_ref(entry) for entry in catalog]
    frames: dict[int, Frame] = {}
    places, similarity = {}, {}
    for n, (name, reference) in enumerate(models.items()):

        def grid_of(image: int, reference: str = reference):
            grid = context.embedding(refs[image], reference, asked.fidelity, asked.device, asked.part, asked.dense)
            if image not in frames:
                frames[image] = _frame(grid, catalog.entries[image], landmarks[image])
            return grid

        def tell(share: float, n: int = n, name: str = name) -> None:
            context.progress((n + share) / len(models), f"{name}: looking for {len(queries)} landmarks")

        places[name], similarity[name] = retrieve(queries, landmarks, grid_of, tell)
    places[BASELINE] = same_coordinates(queries, landmarks, frames)
    unit = _unit(asked.unit, frames, catalog)
    distances = {name: errors_of(found, queries, landmarks, frames, unit) for name, found in places.items()}
    return LandmarkErrors(
        queries, places, {name: d[0] for name, d in distances.items()}, {name: d[1] for name, d in distances.items()},
        similarity, unit,
    )  # fmt: skip


def _contestants(asked: LandmarksRequest, context: FolderContext) -> dict[str, str]:
    """Name: reference of all models, with an untrained twin of each different network."""
    models = dict(zip(model_names(asked.models), asked.models))
    if not asked.compare_untrained:
        return models
    twins: dict[str, str] = {}  # of each network
    for name, reference in list(models.items()):
        plan: Any = context.model(reference, asked.fidelity, asked.device, asked.part).plan
        if plan.method != "peac":
            raise WeightsError(f"model of method {plan.method!r}", "has no patch embeddings", "Choose a PEAC model")
        if split_reference(reference) is None:
            twins.setdefault(str(sorted(plan.network.items())), name)
    several = len(twins) > 1
    for name in twins.values():
        models[f"{UNTRAINED} ({name})" if several else UNTRAINED] = f"untrained:{models[name]}:{asked.seed}"
    return models


def _ref(entry: Entry) -> VolumeRef:
    return VolumeRef(
        path=str(entry.image), name=entry.name, modality=entry.modality, view=entry.view, inverted=entry.inverted
    )


def _frame(grid: Any, entry: Entry, points: dict[str, tuple[float, float]]) -> Frame:
    for name, (x, y) in points.items():
        check_point(grid.source, x, y, f"landmark {name} of {entry.name}")
    side = entry.labels.get(PIXEL, np.nan)
    spacing = (side, side) if side > 0 else tuple(grid.source.spacing[:2])
    return Frame(grid.source.shape, spacing, grid.cell)


def _unit(wanted: str, frames: dict[int, Frame], catalog: Catalog) -> str:
    """mm or percent.

    Raises:
        ConfigError: mm are asked for, and an image does not know them.
    """
    unknown = [number for number, frame in frames.items() if frame.spacing == (1.0, 1.0)]  # what readers say then
    if wanted == "mm" and unknown:
        raise ConfigError(
            f"{catalog.entries[unknown[0]].name} and {len(unknown) - 1} further images",
            "do not know the size of their pixels in mm",
            f"Ask for percent, or give the catalogue a column {PIXEL}",
        )
    return wanted if wanted != "auto" else "percent" if unknown else "mm"


def _judge(
    asked: LandmarksRequest, catalog: Catalog, found: LandmarkErrors, members: dict[str, list[str]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Rows of the table, differences between models, and notes."""
    patients = [entry.patient for entry in catalog]
    first, second = (np.array([patients[getattr(q, side)] for q in found.queries]) for side in ("source", "target"))
    of_landmark = np.array([q.landmark for q in found.queries])
    subsets = {(ALL, ALL): np.ones(len(of_landmark), bool)}
    subsets |= {(name, ALL): of_landmark == name for name in sorted(set(of_landmark))}
    for column, values in members.items():
        a, b = (np.array([values[getattr(q, side)] for q in found.queries]) for side in ("source", "target"))
        for one in sorted(set(values)):
            for other in sorted(set(values)):
                name = f"{column}={one}" if one == other else f"{column}={one} to {other}"
                subsets[ALL, name] = (a == one) & (b == other)
    subsets = {key: chosen for key, chosen in subsets.items() if chosen.any()}
    images = np.array([(q.source, q.target) for q in found.queries])
    table = landmark_rows(found.error, found.cells, subsets, images, first, second, asked.seed)
    names = list(found.error)
    against = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    differences = [difference(found.error, a, b, first, second, asked.seed) for a, b in against]
    notes = []
    if differences and differences[0]["low"] is None:
        notes.append("Fewer than 5 patients: no interval can be stated")
    return table, differences, notes


def _write(
    context: FolderContext,
    asked: LandmarksRequest,
    catalog: Catalog,
    landmarks: Landmarks,
    found: LandmarkErrors,
    table: list[dict[str, Any]],
    differences: list[dict[str, Any]],
    notes: list[str],
) -> None:
    from medssl.reports.figures.landmark_examples import draw_examples
    from medssl.reports.landmark_report import write_report

    context.progress(1.0, "writing the report")
    write_table(table, context.folder / "landmarks.csv")
    write_table(_pair_rows(catalog, landmarks, found), context.folder / "pairs.csv")
    example = found.queries[0].target
    ref = _ref(catalog.entries[example])
    grid = context.embedding(ref, asked.models[0], asked.fidelity, asked.device, asked.part, asked.dense)
    picture = context.folder / "montage.png"
    draw_examples(
        grid.source, example, catalog.entries[example].name, landmarks[example], found.queries, found.places, picture
    )
    info = {
        "unit": found.unit, "differences": differences, "notes": notes, "images": len(landmarks),
        "patients": len({catalog.entries[n].patient for n in landmarks}),
        "pairs": len({(q.source, q.target) for q in found.queries}), "models": dict(zip(model_names(asked.models), asked.models)),
    }  # fmt: skip
    write_report(context.folder / "report.html", table, info, picture.read_bytes())
    context.finish(["landmarks.csv", "pairs.csv", "report.html", "montage.png"], table, info)


def _pair_rows(catalog: Catalog, landmarks: Landmarks, found: LandmarkErrors) -> list[dict[str, Any]]:
    entries = catalog.entries
    return [
        {
            "model": model, "source": entries[q.source].name, "target": entries[q.target].name,
            "source_patient": entries[q.source].patient, "target_patient": entries[q.target].patient, "landmark": q.landmark,
            "x": round(float(x), 2), "y": round(float(y), 2),
            "true_x": landmarks[q.target][q.landmark][0], "true_y": landmarks[q.target][q.landmark][1],
            "error": round(float(error), 4), "cells": round(float(cells), 4),
            "similarity": round(float(found.similarity[model][n]), 5) if model in found.similarity else "",
        }
        for model, places in found.places.items()
        for n, (q, (x, y), error, cells) in enumerate(
            zip(found.queries, places, found.error[model], found.cells[model])
        )
    ]  # fmt: skip
