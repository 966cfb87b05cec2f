"""Find places of equal anatomy in several radiographs."""

from __future__ import annotations

from medssl.core.errors import ConfigError, be, counted
from medssl.core.requests import CorrespondRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import describe_images, notes_of
from medssl.inspection.anatomy.correspondence import COLUMNS, correspondence_rows, find_correspondences
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
    places = find_correspondences(grids, request.count, request.seed)
    table, notes = correspondence_rows(places, names), notes_of(grids, names)
    if len(places) < request.count:
        notes.append(
            f"Only {counted(len(places), 'place')} {be(len(places))} each other's nearest, of {request.count} wanted"
        )
    context.progress(0.9, "drawing")
    write_table(table, context.folder / "correspondences.csv", COLUMNS)
    draw_correspondences(grids, names, table, context.folder / "montage.png")
    info = {
        "names": names, "cell": [grid.cell for grid in grids], "notes": notes, "wanted": request.count,
        "found": len(places), "model": request.model,
    }  # fmt: skip
    context.finish(["correspondences.csv", "montage.png"], table, info)
