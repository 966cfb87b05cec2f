"""Find in each radiograph what lies at a point of one."""

from __future__ import annotations

from dataclasses import replace

from medssl.core.requests import SimilarityRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import READING, control_of, describe_images, finer_of, notes_of
from medssl.images.formats.reading import write_volume
from medssl.inspection.anatomy.point_search import find_point, point_notes, search_circles
from medssl.inspection.anatomy.similarity import map_as_json, map_as_volume, match_rows


def similarity(request: SimilarityRequest, context: Context) -> None:
    """Answer with matches and maps; nothing is written but the answer itself unless files are asked for.

    Raises:
        InputError: no such image, or a point outside it. ConfigError: a radius outside its range.
        VolumeError, WeightsError, NotFoundError: see `describe_images`.
    """
    grids, names = describe_images(request, context)
    point = request.source, request.x, request.y
    maps, matches = find_point(grids, *point, request.search_radius, finer_of(request, grids, context))
    circles = search_circles(grids, *point, request.search_radius)
    table = match_rows(names, matches)
    info = {
        "maps": [map_as_json(n, found, grid) for n, (found, grid) in enumerate(zip(maps, grids))],
        "notes": [*notes_of(grids, names), *point_notes(grids[request.source], request.x, request.y)],
        "circles": [{"image": n, **circle.as_dict()} for n, circle in enumerate(circles) if circle],
    }
    if control := control_of(request):
        asked = replace(request, model=control)
        others, _ = describe_images(asked, context, span=(READING, 0.95))
        beside = find_point(others, *point, request.search_radius, finer_of(asked, others, context))[1]
        info["untrained"] = match_rows(names, beside)
    files = []
    if request.files:
        from medssl.reports.figures.anatomy import draw_maps  # the search that follows the mouse draws nothing

        files = [f"similarity-{n}.nrrd" for n in range(len(grids))]
        for found, grid, file in zip(maps, grids, files):
            write_volume(map_as_volume(found, grid), context.folder / file)
        write_table(table, context.folder / "similarity.csv")
        draw_maps(grids, names, maps, matches, point, circles, context.folder / "montage.png")
        files += ["similarity.csv", "montage.png"]
    context.finish(files, table, info)
