"""Find parts of equal anatomy in several radiographs."""

from __future__ import annotations

from medssl.core.requests import CosegmentRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import READING, describe_images, notes_of
from medssl.images.formats.reading import write_volume
from medssl.inspection.anatomy.cosegmentation import find_parts, label_parts, part_rows
from medssl.reports.figures.anatomy import draw_parts


def cosegment(request: CosegmentRequest, context: Context) -> None:
    """Answer with a label map per image with common labels, parts.csv and a picture.

    Raises:
        ConfigError: more parts than a label map or the images can hold.
        InputError, VolumeError, WeightsError, NotFoundError: see `describe_images`.
    """
    grids, names = describe_images(request, context)
    context.progress(READING, "clustering")
    parts = find_parts(grids, request.parts, request.seed)
    maps, files = [], [f"segmentation-{n}.nrrd" for n in range(len(grids))]
    for n, (grid, file) in enumerate(zip(grids, files)):
        context.progress(READING + 0.15 * n / len(grids), f"drawing image {n + 1} of {len(grids)}")
        maps.append(label_parts(grid, parts))
        write_volume(grid.source.with_array(maps[-1]), context.folder / file)
    table = part_rows(maps, len(parts.kept))
    columns = ("part", "name", "colour", "images", *(f"share_{n}" for n in range(len(grids))))
    write_table(table, context.folder / "parts.csv", columns)
    draw_parts(grids, names, maps, table, context.folder / "montage.png")
    notes = notes_of(grids, names)
    left = len(parts.centres) - len(parts.kept)
    if left:
        notes.append(f"{left} of {len(parts.centres)} clusters are no part: background, or in too few of the images")
    info = {
        "parts": len(parts.kept), "clusters": len(parts.centres), "votes": parts.votes, "files": files, "names": names,
        "elbow": parts.elbow, "notes": notes, "model": request.model,
    }  # fmt: skip
    context.finish([*files, "montage.png", "parts.csv"], table, info)
