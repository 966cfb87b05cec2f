"""Where in a volume a classification looks: at all of it, or around the places that the catalogue's rows name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medssl.core.errors import CatalogError
from medssl.core.geometry import direction_of
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.entry import Entry
from medssl.images.geometry import turn_to
from medssl.images.points import check_inside
from medssl.images.volume import LPS_TO_RAS
from medssl.inference.image_embedding import AROUND_POINT, WHOLE_VOLUME
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits


def with_places(parts: LabelledSplits) -> LabelledSplits:
    """The parts with the place of each row in mm of the LPS frame, before any image is resampled.

    Raises:
        CatalogError: some rows have a place and others none.
        VolumeError: a place outside its volume.
    """
    every = [entry for part in (parts.training, parts.validation, parts.test) for entry in part.entries]
    without = [entry.name for entry in every if entry.point is None]
    if len(without) == len(every):
        return parts
    if without:
        raise CatalogError(
            f"{len(without)} of {len(every)} rows, such as {without[0]}",
            "have no point while others do",
            "Give x, y and z in every row, or in none",
            code="point-missing",
        )
    training, validation, test = (
        replace(part, places=tuple(_place(entry, image) for entry, image in zip(part.entries, part.images)))
        for part in (parts.training, parts.validation, parts.test)
    )
    return replace(parts, training=training, validation=validation, test=test)


def region_of(parts: LabelledSplits) -> str:
    """What the network looks at."""
    return AROUND_POINT if parts.training.places else WHOLE_VOLUME


def centres_of(part: LabelledSplit) -> np.ndarray:
    """(N, 3) continuous voxel indices of the places, or of the volumes' middles, in the images as the network sees them."""
    images = part.fitted or part.images
    if part.places:
        return np.array([image.index_of(place) for image, place in zip(images, part.places)]).reshape(-1, 3)
    return np.array([(np.array(image.shape) - 1) / 2 for image in images]).reshape(-1, 3)


def _place(entry: Entry, image: CachedVolume) -> tuple[float, float, float]:
    """Millimetres of the LPS frame; `image` has the file's spacing, in the canonical orientation."""
    assert entry.point is not None
    place = np.array(entry.point)
    if entry.frame == "voxel":  # of the file, whose axes the cache has turned
        turn = turn_to(np.array(direction_of(image.orientation)))
        index = place[list(turn.order)]
        index = np.where(turn.flipped, np.array(image.shape) - 1 - index, index)
        place = np.array(image.origin) + np.reshape(image.direction, (3, 3)) @ (np.array(image.spacing) * index)
    elif entry.frame == "RAS":
        place = LPS_TO_RAS @ place
    what = f"point {' '.join(f'{p:g}' for p in entry.point)} ({entry.frame}) of {entry.name}"
    check_inside(image.index_of(place), image.shape, what)
    return float(place[0]), float(place[1]), float(place[2])
