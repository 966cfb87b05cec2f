"""Find places of equal anatomy in several radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from medssl.core.errors import ConfigError, be, counted
from medssl.core.requests import CorrespondRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import control_of, describe_images, finer_of, notes_of
from medssl.inspection.anatomy.correspondence import (
    COLUMNS,
    Correspondence,
    agreement,
    correspondence_rows,
    find_correspondences,
    match_place,
)
from medssl.reports.figures.anatomy import draw_correspondences


def correspond(request: CorrespondRequest, context: Context) -> None:
    """Answer with correspondences.csv and a picture with lines between equal places.

    Raises:
        ConfigError: no place is wanted.
        InputError, VolumeError, WeightsError, NotFoundError: see `describe_images`.
    """
    if request.count < 1:
        raise ConfigError(
            f"count = {request.count}", "must be at least 1", "12 is a good start", code="setting-out-of-range"
        )
    grids, names = describe_images(request, context, least=2)
    context.progress(0.85, "comparing")
    finer = finer_of(request, grids, context)
    places = find_correspondences(grids, request.count, request.seed, request.search_radius, finer)
    table, notes = correspondence_rows(places, names), notes_of(grids, names)
    if len(places) < request.count:
        notes.append(
            f"Only {counted(len(places), 'place')} {be(len(places))} each other's nearest, of {request.count} wanted"
        )
    beside = _beside(request, context, places)
    if beside:
        notes.append(
            f"With the same search radius an untrained network puts {beside['within_cell']} of {beside['matches']} matches "
            "within a cell of the same place: so much may come from the radius alone"
        )
    context.progress(0.9, "drawing")
    write_table(table, context.folder / "correspondences.csv", COLUMNS)
    draw_correspondences(grids, names, table, context.folder / "montage.png")
    info = {
        "names": names, "cell": [grid.cell for grid in grids], "notes": notes, "wanted": request.count,
        "found": len(places), "model": request.model, **({"untrained": beside} if beside else {}),
    }  # fmt: skip
    context.finish(["correspondences.csv", "montage.png"], table, info)


def _beside(request: CorrespondRequest, context: Context, places: Sequence[Correspondence]) -> dict[str, int]:
    """How often an untrained network with the same search radius agrees; nothing where none is held beside."""
    control = control_of(request)
    if not control or not places:
        return {}
    asked = replace(request, model=control)
    grids, _ = describe_images(asked, context, least=2, span=(0.87, 0.95))
    finer = finer_of(asked, grids, context)
    found = [
        match_place(
            grids, place.x, place.y, [match is not None for match in place.matches], request.search_radius, finer
        )
        for place in places
    ]
    within, matches = agreement(places, found, grids)
    return {"within_cell": within, "matches": matches}
