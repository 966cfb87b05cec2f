"""Rank unlabelled images by how much a label of each would teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from medssl.core.capabilities import EMBED, SEGMENT
from medssl.core.errors import CatalogError
from medssl.core.requests import NextCaseRequest
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.entry import Entry
from medssl.handlers.context import Context
from medssl.inference.capabilities import can, refusal
from medssl.inference.mirroring import trained_mirrored
from medssl.inspection.next_case.described_case import DescribedCase, describe_case
from medssl.inspection.next_case.image_statistics import as_distances
from medssl.inspection.next_case.labelled_images import Images, images_of, split_by_label
from medssl.inspection.next_case.ranking import border_widths, rank_cases
from medssl.inspection.next_case.reasons import COLUMNS, ranking_rows
from medssl.inspection.search.case_index import CaseIndex, key_of, stamp_of
from medssl.inspection.search.case_search import NAMED, index_folder, with_full_paths
from medssl.networks.network import Network

PREDICTION, EMBEDDING, STATISTICS = "prediction", "embedding", "statistics"
DESCRIBING = 0.98  # of the progress


@dataclass(frozen=True)
class _Asked:
    """What images are described by."""

    by: str
    net: Network | None
    request: NextCaseRequest
    context: Context

    @property
    def mirror(self) -> bool:
        """Mirrored copies tell doubt of a network that learnt from such; of another they tell nothing."""
        known = self.by == PREDICTION and self.net is not None and trained_mirrored(self.net.plan) is True
        return self.request.mirror and known


def next_case(request: NextCaseRequest, context: Context) -> None:
    """Answer with table.csv and a row per candidate, the best first.

    Raises:
        CatalogError: no candidate, or none that can be used.
        WeightsError: a model that neither segments nor gives embeddings.
        InputError, NotFoundError: see `read_catalog`.
    """
    context.progress(0.0, "listing the images")
    asked = _asked(request, context)
    several = asked.by == PREDICTION  # other descriptions are of one channel
    data = with_full_paths(request.data)
    entries = list(read_catalog(data, context.home, channels=several))
    further = [with_full_paths(one) for one in request.labelled]
    known = [Images(one, list(read_catalog(one, context.home, channels=several))) for one in further]
    if not known and request.model:
        known = images_of(context.home, request.model)
    candidates, labelled = split_by_label(entries, [one for images in known for one in images.entries])
    if not candidates:
        raise CatalogError(
            f"{len(entries)} images", "are all labelled: there is no candidate",
            "Give a folder, a table or volumes that hold images without a label map", code="no-candidate",
        )  # fmt: skip
    sets = [Images(data, entries), *known]
    cases = _described(asked, sets, [*candidates, *labelled], {id(one) for one in candidates})
    usable = [case for case in cases[: len(candidates)] if not case.problem]
    taught = [case for case in cases[len(candidates) :] if not case.problem]
    skipped = [case for case in cases if case.problem]
    _check(usable, taught, cases)
    notes = _notes(skipped)
    if asked.by != PREDICTION:
        notes.append("No segmentation model was asked: the order is by what stands for most others")
    context.progress(DESCRIBING, "ranking")
    widths = border_widths([case.entropy for case in usable if case.entropy]) if asked.by == PREDICTION else None
    vectors = np.stack([case.vector for case in [*usable, *taught]])
    vectors = as_distances(vectors) if asked.by == STATISTICS else vectors
    order = rank_cases(vectors[: len(usable)], vectors[len(usable) :], widths, request.uncertainty, request.count)
    numbers = {id(entry): number for number, entry in enumerate(entries)}
    table = ranking_rows(order, usable, taught, widths, [numbers[id(case.entry)] for case in usable])
    write_table(table, context.folder / "table.csv", COLUMNS)
    info = {
        "by": asked.by, "model": request.model, "candidates": len(usable), "labelled": len(taught), "skipped": len(skipped),
        "notes": notes,
    }  # fmt: skip
    context.finish(["table.csv"], table, info)


def _asked(request: NextCaseRequest, context: Context) -> _Asked:
    if not request.model:
        return _Asked(STATISTICS, None, request, context)
    context.progress(0.0, "loading the model")
    net = context.model(request.model, "", request.device, request.part)
    if can(net.plan, SEGMENT):
        return _Asked(PREDICTION, net, request, context)
    if not net.embeddings:
        raise refusal(net.plan, EMBED)
    return _Asked(EMBEDDING, net, request, context)


def _described(
    asked: _Asked, sets: Sequence[Images], entries: Sequence[Entry], candidates: set[int]
) -> list[DescribedCase]:
    """Every image's description, in the order of `entries`."""
    if asked.by == EMBEDDING:
        found = _embedded(asked, sets)
        return [found[key_of(entry)] for entry in entries]
    return [
        _one(asked, entry, n / len(entries), 1 / len(entries), id(entry) in candidates)
        for n, entry in enumerate(entries)
    ]


def _one(asked: _Asked, entry: Entry, done: float, share: float, mirrored: bool) -> DescribedCase:
    """A description, kept for the next question with the same model; labelled images need no mirrored copies."""
    context, mirror = asked.context, asked.mirror and mirrored
    which = (asked.by, asked.request.model, asked.request.part, asked.net.plan.sha256 if asked.net else "")

    def report(fraction: float, message: str) -> None:
        context.progress(DESCRIBING * (done + share * fraction), f"{entry.name}: {message}" if message else entry.name)

    def describe() -> DescribedCase:
        report(0.0, "")
        return describe_case(entry, asked.net, mirror, report)

    case = context.kept(("next case", *which, mirror, key_of(entry), stamp_of(entry)), describe)
    return DescribedCase(entry, case.vector, case.entropy, case.problem)  # what is known of it may have changed


def _embedded(asked: _Asked, sets: Sequence[Images]) -> dict[str, DescribedCase]:
    """Embeddings by way of the indexes of similar cases, which lie on the disk."""
    context, request = asked.context, asked.request
    net: Any = asked.net
    found: dict[str, DescribedCase] = {}
    for number, images in enumerate(sets):
        folder = index_folder(context.home, images.data, net.plan, request.model, request.part, "encoder")

        def report(done: int, wanted: int, number: int = number) -> None:
            share = (number + done / wanted) / len(sets)
            context.progress(DESCRIBING * share, f"describing image {done} of {wanted}")

        index: CaseIndex = context.kept(("index", folder), partial(CaseIndex, folder))
        index.update(images.entries, net, "encoder", report)
        problems = dict(index.problems)
        found |= {key_of(one): DescribedCase(one, problem=problems.get(one.name, "")) for one in images.entries}
        found |= {key_of(one): DescribedCase(one, vector) for one, vector in zip(index.entries, index.vectors)}
    return found


def _check(usable: Sequence[DescribedCase], taught: Sequence[DescribedCase], cases: Sequence[DescribedCase]) -> None:
    if not usable:
        raise CatalogError(
            f"{len(cases)} images", f"cannot be used; the first one: {cases[0].problem}",
            "Choose images that the model can take, or ask without a model", code="no-usable-image",
        )  # fmt: skip
    sizes = {case.vector.size: case.entry.name for case in [*usable, *taught]}
    if len(sizes) > 1:
        raise CatalogError(
            " and ".join(list(sizes.values())[:2]), "are mixed, a volume and a 2D image",
            "Rank volumes or 2D images", code="axes-mixed",
        )  # fmt: skip


def _notes(skipped: Sequence[DescribedCase]) -> list[str]:
    notes = [f"{case.entry.name} is left out of the ranking: {case.problem}" for case in skipped[:NAMED]]
    if len(skipped) > NAMED:
        notes.append(f"{len(skipped) - NAMED} further images are left out of the ranking")
    return notes
