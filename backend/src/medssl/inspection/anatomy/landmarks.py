"""Landmark retrieval error: how far from a landmark of one patient does a model find it in another?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError, ConfigError, InputError
from medssl.core.plan import Plan
from medssl.datasets.catalog.catalog import Catalog, Entry
from medssl.datasets.entry import number_text
from medssl.evaluation.landmark_errors import ALL, Distances, differences, landmark_rows, landmark_verdict
from medssl.evaluation.verdicts import Verdict
from medssl.inference.fine_patches import FinePatches
from medssl.inference.patch_grid import PatchGrid, check_patch_encoder
from medssl.inference.untrained import split_reference
from medssl.inspection.anatomy.landmark_points import Landmarks
from medssl.inspection.anatomy.landmark_search import Frame, Query, errors_of, find_landmarks, same_coordinates
from medssl.inspection.anatomy.similarity import check_point

BASELINE, UNTRAINED = "same coordinates", "untrained"
UNITS = ("auto", "mm", "percent")
PIXEL = "pixel_mm"  # a catalogue column with a pixel's side, for images in formats that cannot say it
WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt")  # how names of weight files end
MOST_VALUES = 8  # of a column that makes groups


@dataclass(frozen=True)
class LandmarkErrors:
    """Every retrieval of every model; distances are in `unit`."""

    queries: list[Query]
    places: dict[str, np.ndarray]  # (queries, 2) pixels
    distances: dict[str, Distances]
    similarity: dict[str, np.ndarray]
    unit: str


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
            code="column-missing",
        )
    if len(set(values)) > MOST_VALUES:
        raise CatalogError(
            f"group {column!r} of {len(set(values))} values",
            f"has more than {MOST_VALUES} values",
            "Choose a column with few values",
        )
    return [value or "unknown" for value in values]


def value_of(entry: Entry, column: str) -> str | None:
    """An entry's value in a column, as text; None where it has none."""
    if column in entry.labels:
        return number_text(entry.labels[column])
    return entry.attributes.get(column)


def model_names(references: Sequence[str]) -> list[str]:
    """What to call models: of files the last part of the path that tells them apart, else the references themselves."""
    paths = [list(Path(one).with_suffix("").parts) if one.endswith(WEIGHTS) else [one] for one in references]
    files = [path for path in paths if len(path) > 1]
    while True:
        names = [path[-1] for path in paths]
        if len(set(names)) == len(names):
            return names
        if len({path[-1] for path in files}) > 1 or min(map(len, files), default=1) < 2:
            return list(references)
        for path in files:
            path.pop()  # a part that all files share, such as results/model


def named_models(references: Sequence[str]) -> dict[str, str]:
    """Name and reference of each model.

    Raises:
        InputError: no model, or one twice.
    """
    if not references:
        raise InputError(
            "models", "are missing", "Name one at least, for example untrained:default", code="models-missing"
        )
    twice = next((one for n, one in enumerate(references) if one in references[:n]), None)
    if twice is not None:
        raise InputError(f"model {twice!r}", "is named twice", "Name each model once", code="model-repeated")
    return dict(zip(model_names(references), references))


def with_untrained_twins(models: dict[str, str], plan_of: Callable[[str], Plan], seed: int) -> dict[str, str]:
    """The models, and after them an untrained twin of each different network.

    Args:
        models: name: reference.
        plan_of: the plan of a model by its reference.
        seed: of the random weights.

    Raises:
        WeightsError: a model without patch embeddings.
    """
    twins: dict[str, str] = {}  # of each network
    for name, reference in models.items():
        plan = plan_of(reference)
        check_patch_encoder(plan)
        if split_reference(reference) is None:
            twins.setdefault(str(sorted(plan.network.items())), name)
    several = len(twins) > 1
    return models | {
        f"{UNTRAINED} ({name})" if several else UNTRAINED: f"untrained:{models[name]}:{seed}" for name in twins.values()
    }


def check_unit(unit: str) -> None:
    """Refuse an unknown unit before anything is computed.

    Raises:
        ConfigError: it is.
    """
    if unit not in UNITS:
        raise ConfigError(f"unit {unit!r}", "is unknown", f"Use one of {', '.join(UNITS)}", code="setting-not-a-choice")


def measure_models(
    models: dict[str, str],
    queries: list[Query],
    landmarks: Landmarks,
    catalog: Catalog,
    grid_of: Callable[[int, str], PatchGrid],
    unit: str = "auto",
    progress: Callable[[float, str], None] = lambda share, message: None,
    radius: float = 0.0,
    finer: Callable[[int, str], FinePatches] | None = None,
) -> LandmarkErrors:
    """Let every model look for every landmark, and BASELINE without looking.

    Args:
        models: name: reference.
        queries: what is looked for.
        landmarks: where the landmarks of each image truly are.
        catalog: the images.
        grid_of: the patch grid of an image, by its number, under a model, by its reference.
        unit: mm, percent of the image's width, or auto.
        progress: called with the share done and a message; may raise to stop.
        radius: of the search around the same relative place, in percent of the width; 0: everywhere.
        finer: as `grid_of`, what a model says of an image between grid places; None: matches stay coarse.

    Raises:
        ConfigError: mm are asked for, and an image does not know them.
        InputError: a landmark outside its image.
    """
    frames: dict[int, Frame] = {}
    places, similarity = {}, {}
    for n, (name, reference) in enumerate(models.items()):

        def seen(image: int, reference: str = reference) -> PatchGrid:
            grid = grid_of(image, reference)
            if image not in frames:
                frames[image] = _frame(grid, catalog.entries[image], landmarks[image])
            return grid

        def report(share: float, n: int = n, name: str = name) -> None:
            progress((n + share) / len(models), f"{name}: looking for {len(queries)} landmarks")

        close = partial(_asked_of, finer, reference) if finer else None
        places[name], similarity[name] = find_landmarks(queries, landmarks, seen, report, radius, close)
    places[BASELINE] = same_coordinates(queries, landmarks, frames)
    unit = _known_unit(unit, frames, catalog)
    distances = {name: errors_of(found, queries, landmarks, frames, unit) for name, found in places.items()}
    return LandmarkErrors(queries, places, distances, similarity, unit)


def _asked_of(finer: Callable[[int, str], FinePatches], reference: str, image: int) -> FinePatches:
    return finer(image, reference)


def compare_models(
    found: LandmarkErrors, catalog: Catalog, groups: dict[str, list[str]], seed: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the table, of each model, landmark and group of images, and of the differences between all pairs of models.

    Args:
        found: what all models found.
        catalog: the images.
        groups: column: its value for every image.
        seed: of the intervals.
    """
    patients = [entry.patient for entry in catalog]
    first, second = (np.array([patients[getattr(q, side)] for q in found.queries]) for side in ("source", "target"))
    of_landmark = np.array([q.landmark for q in found.queries])
    subsets = {(ALL, ALL): np.ones(len(of_landmark), bool)}
    subsets |= {(name, ALL): of_landmark == name for name in sorted(set(of_landmark))}
    for column, values in groups.items():
        a, b = (np.array([values[getattr(q, side)] for q in found.queries]) for side in ("source", "target"))
        for one in sorted(set(values)):
            for other in sorted(set(values)):
                name = f"{column}={one}" if one == other else f"{column}={one} to {other}"
                subsets[ALL, name] = (a == one) & (b == other)
    subsets = {key: chosen for key, chosen in subsets.items() if chosen.any()}
    images = np.array([(q.source, q.target) for q in found.queries])
    table = landmark_rows(found.distances, subsets, images, first, second, seed)
    return table, differences(found.distances, first, second, seed)


def verdicts(
    table: list[dict[str, Any]], against: list[dict[str, Any]], asked: Sequence[str], unit: str
) -> list[Verdict]:
    """Of each model that was asked for, held against the same coordinates and, where these were measured, untrained networks."""
    measured = list(dict.fromkeys(row["model"] for row in table))
    rivals = [BASELINE, *(name for name in measured if name.startswith(UNTRAINED) and name not in asked)]
    return [landmark_verdict(table, against, name, rivals, unit) for name in asked]


def pair_rows(found: LandmarkErrors, catalog: Catalog, landmarks: Landmarks) -> list[dict[str, Any]]:
    """A row for each model and query: where the landmark was looked for, found, and truly is."""
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
            zip(found.queries, places, found.distances[model].error, found.distances[model].cells)
        )
    ]  # fmt: skip


def _frame(grid: PatchGrid, entry: Entry, points: dict[str, tuple[float, float]]) -> Frame:
    for name, (x, y) in points.items():
        check_point(grid.source, x, y, f"landmark {name} of {entry.name}")
    side = entry.labels.get(PIXEL, np.nan)
    spacing = (side, side) if side > 0 else tuple(grid.source.spacing[:2])
    width, height = grid.source.shape
    return Frame((width, height), spacing, grid.cell, grid.box)


def _known_unit(wanted: str, frames: dict[int, Frame], catalog: Catalog) -> str:
    """mm or percent.

    Raises:
        ConfigError: mm are asked for, and an image does not know them.
    """
    unknown = [number for number, frame in frames.items() if frame.spacing == (1.0, 1.0)]  # what readers say then
    if wanted == "mm" and unknown:
        raise ConfigError(
            f"{catalog.entries[unknown[0]].name} and {len(unknown) - 1} further images",
            "have no pixel size in mm",
            f"Ask for percent, or give the catalogue a column {PIXEL}",
            code="pixel-size-missing",
        )
    return wanted if wanted != "auto" else "percent" if unknown else "mm"
