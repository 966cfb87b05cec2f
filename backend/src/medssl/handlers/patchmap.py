"""Map patches of radiographs into a plane in which equal descriptors lie together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medssl.core.errors import ConfigError
from medssl.core.requests import PatchmapRequest
from medssl.core.tables import write_table
from medssl.handlers.context import Context
from medssl.handlers.images import READING, describe_images, described_untrained, notes_of
from medssl.inspection.anatomy.patchmap import check_method, flatten_patches, shown_patches
from medssl.inspection.anatomy.untrained_control import same_place_share
from medssl.reports.figures.anatomy import draw_patchmap

if TYPE_CHECKING:
    from medssl.inference.patch_grid import PatchGrid

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
    notes, beside = notes_of(grids, names), _beside(request, context, grids)
    if beside:
        notes.append(_note(beside))
    info = {
        "method": request.method, "patches": len(table), "names": names, "notes": notes,
        "model": request.model, **({"explained": explained} if explained else {}), **({"same_place": beside} if beside else {}),
    }  # fmt: skip
    context.finish(["patchmap.csv", "montage.png"], table, info)


def _beside(request: PatchmapRequest, context: Context, grids: Sequence[PatchGrid]) -> dict[str, float]:
    """How often the nearest patch of another image lies at the same place, for the model and an untrained network."""
    others = described_untrained(request, context, (0.9, 0.98)) if len(grids) > 1 else []
    shares = {"model": same_place_share(grids), "untrained": same_place_share(others)} if others else {}
    return {name: share for name, share in shares.items() if share is not None}


def _note(beside: Mapping[str, float]) -> str:
    said = (
        f"The nearest patch in another image lies at the same place, within a tenth of the width, for {beside['model']:.0%} of all patches, "
        f"with an untrained network for {beside['untrained']:.0%}"
    )
    return (
        said if beside["model"] > beside["untrained"] else f"{said}: this map shows nothing that the model has learnt"
    )
