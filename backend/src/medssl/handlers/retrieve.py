"""Find the most similar images of a set to one image."""

from __future__ import annotations

import time
from dataclasses import replace

from medssl.core.errors import CatalogError, ConfigError
from medssl.core.requests import RetrieveRequest
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import read_catalog
from medssl.evaluation.verdicts import of_search
from medssl.handlers.context import Context
from medssl.handlers.images import note_geometry
from medssl.inspection.search.case_images import describe_query, features_of
from medssl.inspection.search.case_index import CaseIndex, Changes
from medssl.inspection.search.case_search import (
    case_rows,
    find_cases,
    index_folder,
    name_of_set,
    search_notes,
    with_full_paths,
)
from medssl.networks.network import Network
from medssl.reports.figures.similar_cases import write_pictures

BUILDING = 0.9  # of the progress
MOST = 200  # cases


def retrieve(request: RetrieveRequest, context: Context) -> None:
    """Answer with a picture and a row per case; the first search in a set embeds all of its images, later ones what is new.

    Rows have `findings` too: names of the labels that are 1.

    Raises:
        CatalogError: no set, or nothing in it that could be found.
        ConfigError: unknown features, or a count that is none.
        VolumeError, InputError: the query is no image for this model.
    """
    request = replace(request, data=with_full_paths(request.data))
    if not 1 <= request.count <= MOST:
        raise ConfigError(
            f"count = {request.count}",
            f"must lie between 1 and {MOST}",
            "8 fill a gallery",
            code="setting-out-of-range",
        )
    context.progress(0.0, "loading the model")
    net, ref = context.model(request.model, "", request.device, request.part), request.volume
    features = features_of(net, request.features)
    query = context.volume(ref)
    note_geometry(context, query, net.plan, ref.view, "query", ref.inverted)
    vector, thumbnail = describe_query(query, net, features, ref.view, ref.inverted)
    index, changes, seconds = _updated_index(request, features, net, context)
    begun = time.perf_counter()
    found = find_cases(index, vector, ref, request.count, request.same_patient)
    query_ms = 1000 * (time.perf_counter() - begun)
    if not found.cases:
        raise CatalogError(
            name_of_set(request.data),
            "holds no other image to compare with",
            "Choose a larger set, or allow the same patient",
            code="no-other-image",
        )
    table, thumbnails = case_rows(found.cases), [index.thumbnail(case) for case in found.cases]
    files = write_pictures(context.folder, thumbnail, ref.name or "query", thumbnails, table)
    write_table(table, context.folder / "table.csv")
    shown = sum(case.similarity for case in found.cases) / len(found.cases)
    verdict = of_search(shown, found.everyone, len(index))
    info = {
        "verdict": verdict.text, "good": verdict.good, "images": len(index), "added": changes.added, "changed": changes.changed, "removed": changes.removed,
        "skipped": changes.skipped, "index_s": seconds, "query_ms": query_ms, "features": features, "model": request.model,
        "set": name_of_set(request.data), "patient": found.patient, "left_out": found.same,
        "notes": search_notes(request.data, index, found.same),
    }  # fmt: skip
    context.finish([*files, "table.csv"], table, info)


def _updated_index(
    request: RetrieveRequest, features: str, net: Network, context: Context
) -> tuple[CaseIndex, Changes, float]:
    """The set's index in step with its files, what changed, and the seconds it took."""
    context.progress(0.0, "listing the images")
    begun = time.perf_counter()
    entries, plan = list(read_catalog(request.data, context.home)), net.plan
    folder = index_folder(context.home, request.data, plan, request.model, request.part, features)  # type: ignore[arg-type]
    index: CaseIndex = context.kept(("index", folder), lambda: CaseIndex(folder))

    def report(done: int, wanted: int) -> None:
        context.progress(BUILDING * done / wanted, f"describing image {done} of {wanted}")

    changes = index.update(entries, net, features, report)
    if not len(index):
        why = f"the first one: {index.problems[0][1]}" if index.problems else "it is empty"
        raise CatalogError(
            name_of_set(request.data),
            f"holds no image that the model can take ({why})",
            "Choose another set",
            code="no-usable-image",
        )
    return index, changes, time.perf_counter() - begun
