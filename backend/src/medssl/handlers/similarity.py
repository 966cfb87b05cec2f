"""Find in each radiograph what lies at a point of one."""

from __future__ import annotations

from medssl.core.requests import SimilarityRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import describe_images, notes_of
from medssl.images.formats.reading import write_volume
from medssl.inspection.anatomy.similarity import find_point, map_as_json, map_as_volume, match_row


def similarity(request: SimilarityRequest, context: Context) -> None:
    """Answer with matches and maps; nothing is written but the answer itself unless files are asked for.

    Raises:
        InputError: no such image, or a point outside it.
        VolumeError, WeightsError, NotFoundError: see `describe_images`.
    """
    grids, names = describe_images(request, context)
    maps, matches = find_point(grids, request.source, request.x, request.y)
    table = [match_row(n, name, match) for n, (name, match) in enumerate(zip(names, matches))]
    info = {
        "maps": [map_as_json(n, found, grid) for n, (found, grid) in enumerate(zip(maps, grids))],
        "notes": notes_of(grids, names),
    }
    files = []
    if request.files:
        from medssl.reports.figures.anatomy import draw_maps  # the search that follows the mouse draws nothing

        files = [f"similarity-{n}.nrrd" for n in range(len(grids))]
        for found, grid, file in zip(maps, grids, files):
            write_volume(map_as_volume(found, grid), context.folder / file)
        write_table(table, context.folder / "similarity.csv")
        point = request.source, request.x, request.y
        draw_maps(grids, names, maps, matches, point, context.folder / "montage.png")
        files += ["similarity.csv", "montage.png"]
    context.finish(files, table, info)
