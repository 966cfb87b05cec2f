"""Measure how far from known landmarks models find them in other patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medssl.core.errors import CatalogError, InputError, counted
from medssl.core.protocol import VolumeRef
from medssl.core.requests import LandmarksRequest
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.evaluation.landmark_errors import COLUMNS, UNITS
from medssl.handlers.context import Context
from medssl.inspection.anatomy.landmark_points import match_landmarks, read_landmarks
from medssl.inspection.anatomy.landmark_search import make_queries
from medssl.inspection.anatomy.landmarks import (
    check_unit,
    compare_models,
    group_values,
    measure_models,
    named_models,
    pair_rows,
    verdicts,
    with_untrained_twins,
)
from medssl.reports.figures.landmark_examples import draw_examples
from medssl.reports.landmark_report import write_report

if TYPE_CHECKING:
    from medssl.core.plan import Plan
    from medssl.inference.fine_patches import FinePatches
    from medssl.inference.patch_grid import PatchGrid
    from medssl.networks.network import Network


def landmarks(request: LandmarksRequest, context: Context) -> None:
    """Answer with landmarks.csv, differences.csv, pairs.csv, report.html and a picture.

    Raises:
        InputError: no landmarks or no model, one twice, or a landmark outside its image.
        CatalogError: a table that breaks a rule, no landmark that two patients share, or a column that makes no groups.
        ConfigError: an unknown unit, mm of images that do not know them, or fewer than 0 pairs.
        NotFoundError, WeightsError: no such file, or a model without patch embeddings.
    """
    if bool(request.landmarks) == bool(request.points):
        raise InputError(
            "landmarks",
            "must come from a CSV or as points, one of the two",
            "Give one of the two",
            code="landmarks-twice",
        )
    models = asked = named_models(request.models)
    check_unit(request.unit)
    context.progress(0.0, "reading the landmarks")
    catalog = read_catalog(request.data, context.home)
    rows = read_landmarks(request.landmarks) if request.landmarks else request.points
    known, skipped = match_landmarks(rows, catalog, partial=bool(request.data.exclude))
    groups = {column: group_values(catalog, column) for column in request.groups}
    queries = make_queries(known, [entry.patient for entry in catalog], request.pairs, request.seed)
    if not queries:
        raise CatalogError(
            f"{counted(len(known), 'image')} with landmarks",
            f"{'shares' if len(known) == 1 else 'share'} no landmark across two patients",
            "Give landmarks of several patients, under the same names",
            code="too-few-patients",
        )
    patches = _Patches(request, context, catalog)
    if request.compare_untrained:
        models = with_untrained_twins(asked, patches.plan, request.seed)
    found = measure_models(
        models, queries, known, catalog, patches.grid, request.unit, context.progress, request.search_radius,
        patches.finer if request.refine else None,
    )  # fmt: skip
    table, differences = compare_models(found, catalog, groups, request.seed)
    notes = catalog.remarks()
    if differences and differences[0]["low"] is None:
        notes.append("Fewer than 5 patients: no interval can be stated")
    if skipped:
        notes.append(f"{skipped} landmarks of images that are left out were not used")
    context.progress(1.0, "writing the report")
    write_table(table, context.folder / "landmarks.csv", COLUMNS)
    write_table(differences, context.folder / "differences.csv")
    write_table(pair_rows(found, catalog, known), context.folder / "pairs.csv")
    example, picture = queries[0].target, context.folder / "montage.png"
    image = patches.grid(example, request.models[0]).source
    draw_examples(image, example, catalog.entries[example].name, known[example], queries, found.places, picture)
    judged = verdicts(table, differences, list(asked), UNITS[found.unit])
    info = {
        "unit": found.unit, "verdicts": [one.as_dict() for one in judged], "differences": differences, "notes": notes,
        "search_radius": request.search_radius, "refine": request.refine, "images": len(known),
        "patients": len({catalog.entries[n].patient for n in known}),
        "pairs": len({(q.source, q.target) for q in queries}), "models": asked,
    }  # fmt: skip
    write_report(context.folder / "report.html", table, info, picture.read_bytes())
    context.finish(["landmarks.csv", "differences.csv", "pairs.csv", "report.html", "montage.png"], table, info)


class _Patches:
    """What the models that are asked for see of the catalogue's images."""

    def __init__(self, request: LandmarksRequest, context: Context, catalog: Catalog) -> None:
        self._request, self._context, self._catalog = request, context, catalog

    def plan(self, model: str) -> Plan:
        """How it was trained."""
        return self._network(model).plan

    def grid(self, image: int, model: str) -> PatchGrid:
        """The descriptors of an image."""
        entry, asked = self._catalog.entries[image], self._request
        ref = VolumeRef(
            path=str(entry.image), name=entry.name, modality=entry.modality, view=entry.view, inverted=entry.inverted
        )
        return self._context.embedding(ref, model, asked.fidelity, asked.device, asked.part, asked.dense)

    def finer(self, image: int, model: str) -> FinePatches:
        """Descriptors between an image's cells."""
        from medssl.inference.fine_patches import FinePatches

        return FinePatches(self.grid(image, model), self._network(model))

    def _network(self, model: str) -> Network:
        asked = self._request
        return self._context.model(model, asked.fidelity, asked.device, asked.part)
