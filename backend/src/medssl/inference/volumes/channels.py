"""The channels of a case as a model wants them: none missing, on one grid, each in its own intensities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medssl.core.errors import InputError, be, counted
from medssl.core.plan import Plan
from medssl.images.channels.together import together
from medssl.images.intensity.model_window import channel_windows
from medssl.images.volume import Volume
from medssl.inference.volumes.model_grid import ModelGrid
from medssl.inference.volumes.slabs import Read
from medssl.inference.volumes.sliding import reader


def check_channels(volume: Volume, plan: Plan, further: int | None = None) -> None:
    """Refuse a case that lacks a channel of the model, or has one too many.

    Args:
        volume: the first channel, with the others.
        plan: of the model.
        further: how many others there are, where they are not read yet.

    Raises:
        InputError: names the channels.
    """
    names, has = [one.name for one in plan.channels], 1 + (len(volume.further) if further is None else further)
    what, needed = volume.name or "volume", " and ".join(names)
    if has < len(names):
        missing = names[has:]
        raise InputError(
            f"{what} with {counted(has, 'image')}", f"is not all that the model needs, {needed}: {', '.join(missing)} {be(len(missing))} missing",
            "Give every channel, registered with the first (--channel, or the columns image_1 and so on)", code="channels-incomplete",
        )  # fmt: skip
    if has > len(names):
        raise InputError(
            f"{what} with {has} images", f"has more than the model takes ({needed})",
            "Leave the others out, or choose a model of as many channels", code="channels-not-taken",
        )  # fmt: skip


def on_one_grid(volume: Volume, plan: Plan) -> Volume:
    """The case with all channels of the model on the grid of the first.

    Raises:
        InputError: see `check_channels`. VolumeError: see `together`.
    """
    check_channels(volume, plan)
    return together(volume, tuple(one.name for one in plan.channels)) if volume.further else volume


def grid_reader(grid: ModelGrid, plan: Plan, device: torch.device) -> Read:
    """Slices of a volume on the model's grid as the network sees them: all channels, each in 0...1, with their neighbours."""
    context = int(plan.task.get("context", 0))
    seen = zip((grid.volume, *grid.volume.further), channel_windows(grid.ordered, plan))
    return stacked([reader(one.array, device, bounds, context) for one, bounds in seen])


def stacked(readers: Sequence[Read]) -> Read:
    """Slices of several readers as one image's channels, read slab by slab."""

    def read(first: int, last: int) -> Tensor:
        return torch.cat([one(first, last) for one in readers])

    return read if len(readers) > 1 else readers[0]
