"""The images of a request as patch grids: read, described, named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medssl.core.errors import InputError, VolumeError

if TYPE_CHECKING:
    from medssl.handlers.worker.context import FolderContext
    from medssl.inference.patch_grid import PatchGrid

READING = 0.8  # of the progress


def describe_images(asked: Any, context: FolderContext, least: int = 1) -> tuple[list[PatchGrid], list[str]]:
    """The patch grid of each image of a request, warm where it was asked for before, and a name for each.

    Raises:
        InputError: fewer than `least` images.
        VolumeError: no radiograph, or one without a cell that shows something.
        NotFoundError, WeightsError: see `FolderContext.embedding`.
    """
    if len(asked.images) < least:
        raise InputError(
            f"{len(asked.images)} image(s)",
            f"are too few: {least} at least are needed here",
            "Choose another image too",
        )
    grids = []
    for number, ref in enumerate(asked.images):
        context.progress(READING * number / len(asked.images), f"describing image {number + 1} of {len(asked.images)}")
        grid = context.embedding(ref, asked.model, asked.fidelity, asked.device, asked.part, asked.dense)
        if not bool(grid.foreground.any()):
            raise VolumeError(
                ref.name or grid.source.name or f"image {number}", "shows nothing", "Choose another image"
            )
        grids.append(grid)
    return grids, [
        ref.name or grid.source.name or f"image {n + 1}" for n, (ref, grid) in enumerate(zip(asked.images, grids))
    ]


def notes_of(grids: list[PatchGrid], names: list[str]) -> list[str]:
    """What the user should know of how each image was read."""
    return [f"{name}: {note}" for grid, name in zip(grids, names) for note in grid.notes]
