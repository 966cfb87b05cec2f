"""Find parts of equal anatomy in several radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from medssl.core.errors import counted
from medssl.core.requests import CosegmentRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import READING, describe_images, described_untrained, notes_of
from medssl.images.formats.reading import write_volume
from medssl.inspection.anatomy.cosegmentation import Cosegmentation, find_parts, label_parts, part_rows
from medssl.inspection.anatomy.untrained_control import part_agreement
from medssl.reports.figures.anatomy import draw_parts

if TYPE_CHECKING:
    from medssl.inference.patch_grid import PatchGrid


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
    beside = _beside(request, context, grids, parts)
    if beside:
        notes.append(
            f"An untrained network of the same architecture finds {counted(beside['parts'], 'part')} among as many clusters, which agree "
            f"with these to {beside['agreement']:.2f} (adjusted Rand index; 1: the same, 0: by chance): only what goes beyond that was learnt"
        )
    info = {
        "parts": len(parts.kept), "clusters": len(parts.centres), "votes": parts.votes, "files": files, "names": names,
        "elbow": parts.elbow, "notes": notes, "model": request.model,
        **({"untrained": beside} if beside else {}),
    }  # fmt: skip
    context.finish([*files, "montage.png", "parts.csv"], table, info)


def _beside(
    request: CosegmentRequest, context: Context, grids: Sequence[PatchGrid], parts: Cosegmentation
) -> dict[str, Any]:
    """How many parts an untrained network finds, and how far they agree with the model's; nothing where none is held beside."""
    others = described_untrained(request, context, (0.95, 0.99))
    if not others:
        return {}
    found = find_parts(others, len(parts.centres), request.seed)
    return {"parts": len(found.kept), "agreement": part_agreement(grids, parts, others, found)}
