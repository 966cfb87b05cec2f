"""A further channel as the cache keeps it: on the grid of the first image, with what was measured of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.entry import Entry, read_entry
from medssl.images.channels.fit import measure_fit
from medssl.images.channels.onto import onto
from medssl.images.channels.together import check_volume
from medssl.images.label_maps import read_label_map
from medssl.images.volume import compact


def channel_on(
    image: CachedVolume, channel: Entry, name: str, labels: np.ndarray | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """The voxels of a channel on the grid of a cached image, and what the cache notes beside them.

    Statistics are those of the channel as it is stored, so that intensities are normalised as when the model is applied.

    Args:
        image: the first channel.
        channel: the further one, with its own label map where that is known.
        name: of the channel, for errors.
        labels: label map of the image, (i, j, k) on its grid; with that of the channel their overlap is measured.

    Raises:
        VolumeError: the channel cannot be read, one of both is 2D, or they have no place in common.
    """
    first, volume = image.whole(), read_entry(channel)
    for one, called in ((first, "the first image"), (volume, name)):
        check_volume(one, called)
    volume = replace(volume, array=compact(volume.array))
    channel_labels = read_label_map(channel.mask, volume) if channel.mask and labels is not None else None
    fit = measure_fit(first, volume, name, labels, channel_labels)
    found = onto(volume, first)
    assert found.statistics is not None
    return np.ascontiguousarray(found.array), {
        "shape": list(found.shape), "spacing": list(image.spacing), "modality": found.modality,
        "statistics": found.statistics.as_dict(), "box": [0, 0, *found.shape[:2]], "notes": list(volume.notes),
        "orientation": image.orientation, "tilt": image.tilt, "origin": list(image.origin),
        "direction": list(image.direction), "fit": fit.as_dict(),
    }  # fmt: skip
