"""An image and its further channels, brought onto the grid of the first."""

from __future__ import annotations

from dataclasses import replace

from medssl.core.errors import VolumeError
from medssl.images.channels.field import same_grid
from medssl.images.channels.fit import measure_fit
from medssl.images.channels.onto import onto
from medssl.images.planes import is_flat
from medssl.images.volume import Volume


def together(volume: Volume, names: tuple[str, ...] = ()) -> Volume:
    """The volume with every further channel on its grid; what to know of how they lie is in the channels' notes.

    Channels that lie there already are taken as they are.

    Args:
        volume: with its `further` channels on any grid.
        names: of all channels, for messages; their images' names where left out.

    Raises:
        VolumeError: an image that is 2D, or a channel without a place in common with the first image.
    """
    further = []
    if volume.further:
        check_volume(volume, names[0] if names else "the first image")
    for number, channel in enumerate(volume.further, 1):
        name = names[number] if number < len(names) else channel.name or f"channel {number + 1}"
        check_volume(channel, name)
        if channel.statistics is not None and same_grid(volume, channel):
            further.append(channel)
            continue
        said = measure_fit(volume, channel, name).sentence(name)
        further.append(replace(onto(channel, volume), notes=(*channel.notes, said) if said else channel.notes))
    return replace(volume, further=tuple(further))


def check_volume(channel: Volume, name: str) -> None:
    """Refuse a channel that is a 2D image.

    Raises:
        VolumeError: it is one.
    """
    if is_flat(channel.shape):
        raise VolumeError(
            f"{name} of shape {channel.shape}", "is 2D, and channels are volumes", "Give a 3D image for each channel",
            code="not-3d",
        )  # fmt: skip
