"""The images of a request: as patch grids, and what is to be known of them before a model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from medssl.core.errors import InputError, VolumeError, be, counted
from medssl.core.geometry import stated_geometry
from medssl.core.plan import Plan
from medssl.core.requests import (
    CorrespondRequest,
    CosegmentRequest,
    PatchmapRequest,
    RestoreRequest,
    SegmentRequest,
    SimilarityRequest,
    WarpRequest,
)
from medssl.handlers.context import Context
from medssl.inference.untrained import split_reference

if TYPE_CHECKING:
    from medssl.images.volume import Volume
    from medssl.inference.fine_patches import FinePatches
    from medssl.inference.patch_grid import PatchGrid
    from medssl.networks.network import Network

READING = 0.8  # of the progress


def describe_images(
    request: CorrespondRequest | CosegmentRequest | PatchmapRequest | SimilarityRequest | WarpRequest,
    context: Context,
    least: int = 1,
    span: tuple[float, float] = (0.0, READING),
) -> tuple[list[PatchGrid], list[str]]:
    """The patch grid of each image of a request, warm where it was asked for before, and a name for each.

    Args:
        request: whose images, and how.
        context: that embeds.
        least: how many images there must be.
        span: where the progress begins, and where it ends.

    Raises:
        InputError: fewer than `least` images.
        VolumeError: no radiograph, or one without a patch that shows something.
        NotFoundError: no such model or file. WeightsError: a model without patch embeddings.
    """
    refs = request.images
    if len(refs) < least:
        raise InputError(
            counted(len(refs), "image"),
            f"{be(len(refs))} too few: {least} at least are needed here",
            "Choose another image too",
            code="too-few-images",
        )
    grids, names = [], []
    by = " with an untrained network" if span[0] else ""
    for number, ref in enumerate(refs, start=1):
        done = span[0] + (span[1] - span[0]) * (number - 1) / len(refs)
        context.progress(done, f"describing image {number} of {len(refs)}{by}")
        grid = context.embedding(ref, request.model, request.fidelity, request.device, request.part, request.dense)
        if not bool(grid.foreground.any()):
            raise VolumeError(ref.name or grid.source.name or f"image {number - 1}", "is blank", "Choose another image")
        grids.append(grid)
        names.append(ref.name or grid.source.name or f"image {number}")
    return grids, names


def control_of(request: CorrespondRequest | SimilarityRequest) -> str:
    """The untrained network that is held beside a model where a search is confined; "" where there is nothing to hold."""
    return twin_of(request.model) if request.search_radius else ""


def described_untrained(
    request: CosegmentRequest | PatchmapRequest, context: Context, span: tuple[float, float]
) -> list[PatchGrid]:
    """The same images as an untrained network of the model's architecture describes them; [] where that is not wanted."""
    control = twin_of(request.model) if request.compare_untrained else ""
    return describe_images(replace(request, model=control), context, span=span)[0] if control else []


def twin_of(model: str) -> str:
    """The untrained network of a model's architecture; "" where the model is one itself."""
    return f"untrained:{model}:0" if split_reference(model) is None else ""


def finer_of(
    request: CorrespondRequest | SimilarityRequest | WarpRequest, grids: Sequence[PatchGrid], context: Context
) -> list[FinePatches]:
    """Of each image what the model says between grid places, where matches are to be refined; else nothing."""
    if not request.refine:
        return []
    from medssl.inference.fine_patches import FinePatches

    net = context.model(request.model, request.fidelity, request.device, request.part)
    return [FinePatches(grid, net) for grid in grids]  # type: ignore[arg-type]


def notes_of(grids: Sequence[PatchGrid], names: Sequence[str]) -> list[str]:
    """What the user should know of how each image was read."""
    return [f"{name}: {note}" for grid, name in zip(grids, names) for note in grid.notes]


def stated(net: Network, request: RestoreRequest | SegmentRequest) -> Network:
    """The model with the orientation and spacing that a request states, where it states any.

    Raises:
        ConfigError: no orientation, or no spacing.
        WeightsError: the model's file records others.
    """
    from medssl.networks.weights.stating import with_geometry

    return with_geometry(net, stated_geometry(request.orientation, request.spacing))


def note_geometry(
    context: Context, volume: Volume, plan: Plan, view: str = "", name: str = "", inverted: bool = False
) -> None:
    """Tell at once what an image's reader changed; of volumes also of another spacing or tilt than in training.

    Or that the model's file records neither.
    """
    from medssl.inference.volumes.model_grid import image_notes

    context.note(image_notes(volume, plan, view, inverted), name)
