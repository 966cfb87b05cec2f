"""Map patches of radiographs into a plane in which equal descriptors lie together."""

from __future__ import annotations

from medssl.core.errors import ConfigError
from medssl.core.requests import PatchmapRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import READING, describe_images, notes_of
from medssl.inspection.anatomy.patchmap import check_method, flatten_patches, shown_patches
from medssl.reports.figures.anatomy import draw_patchmap

LARGEST = 20_000  # patches: minutes of t-SNE


def patchmap(request: PatchmapRequest, context: Context) -> None:
    """Answer with patchmap.csv and a picture of the plane beside the images in the colours of places.

    Raises:
        ConfigError, ResourceError: see `flatten_patches`; also where there are too many patches.
        InputError, VolumeError, WeightsError, NotFoundError: see `describe_images`.
    """
    check_method(request.method)  # before anything is computed
    grids, names = describe_images(request, context)
    descriptors, table = shown_patches(grids, names)
    if len(table) > LARGEST:
        raise ConfigError(f"{len(table)} patches", f"are more than {LARGEST}", "Choose fewer images, or dense = 1")
    context.progress(READING, f"{request.method} of {len(table)} patches")
    places, explained = flatten_patches(descriptors, request.method, request.perplexity, request.seed)
    table = [{**row, "u": float(u), "v": float(v)} for row, (u, v) in zip(table, places)]
    write_table(table, context.folder / "patchmap.csv")
    draw_patchmap(grids, names, table, request.method, context.folder / "montage.png")
    info = {
        "method": request.method, "patches": len(table), "names": names, "notes": notes_of(grids, names),
        "model": request.model, **({"explained": explained} if explained else {}),
    }  # fmt: skip
    context.finish(["patchmap.csv", "montage.png"], table, info)
