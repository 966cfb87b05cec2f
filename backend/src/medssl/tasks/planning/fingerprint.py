"""What of a labelled training set decides how a segmentation is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.images.segment_classes import SegmentClasses

MOST_IMAGES = 100  # whose intensities are looked at, spread over the set
PERCENTILES = (0.5, 50.0, 99.5)


@dataclass(frozen=True)
class Fingerprint:
    """A training set in numbers (Isensee et al., Nature Methods 18, 2021), on the grid that it is trained on.

    Attributes:
        images: how many.
        shape: median size in voxels along i, j, k (rows and columns for radiographs).
        voxels: of the whole set.
        spacing: mm; that of the training where there is one for all, else the median.
        modality: of the images.
        intensities: 0.5th, 50th and 99.5th percentile of the stored values inside the labels; () where nothing is labelled.
        class_voxels: median number of voxels of each class, over the images that have it, by name.
        class_images: how many images have it.
    """

    images: int
    shape: tuple[int, ...]
    voxels: int
    spacing: tuple[float, ...]
    modality: str
    intensities: tuple[float, ...]
    class_voxels: dict[str, int]
    class_images: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Fingerprint:
        """The inverse of `as_dict`, after JSON."""
        lists = {name: tuple(values[name]) for name in ("shape", "spacing", "intensities")}
        return Fingerprint(**{**values, **lists})


def take_fingerprint(
    images: Sequence[CachedVolume],
    masks: Sequence[CachedVolume],
    classes: SegmentClasses,
    spacing: Sequence[float] = (),
) -> Fingerprint:
    """Measure a training set.

    Args:
        images: of the training part, in the cache, on any grid.
        masks: their label maps, on the same grid.
        classes: that are learnt.
        spacing: mm, that they are brought to; (): they stay as they are.
    """
    axes = len(images[0].shape)
    own = np.array([image.spacing[:axes] for image in images])
    target = np.array(spacing[:axes]) if len(spacing) else own
    shapes = np.maximum(1, np.array([image.shape for image in images]) * own / target)
    sizes: dict[str, list[float]] = {name: [] for name in classes.names}
    inside: list[np.ndarray] = []
    chosen = set(np.linspace(0, len(images) - 1, min(len(images), MOST_IMAGES)).round().astype(int).tolist())
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if number not in chosen:
            continue
        volume, labelled = _look(image, mask)
        scale = float(np.prod(own[number] / np.broadcast_to(target, own.shape)[number]))
        for name, value in zip(classes.names, classes.values):
            if count := int(volume.get(value, 0)):
                sizes[name].append(count * scale)
        inside.append(labelled)
    values = np.concatenate(inside) if inside else np.empty(0)
    return Fingerprint(
        images=len(images),
        shape=tuple(round(float(side)) for side in np.median(shapes, axis=0)),
        voxels=int(shapes.prod(axis=1).sum()),
        spacing=tuple(float(side) for side in np.median(np.broadcast_to(target, own.shape), axis=0)),
        modality=images[0].modality,
        intensities=tuple(float(p) for p in np.percentile(values, PERCENTILES)) if len(values) else (),
        class_voxels={name: int(np.median(found)) if found else 0 for name, found in sizes.items()},
        class_images={name: round(len(found) * len(images) / len(chosen)) for name, found in sizes.items()},
    )


def _look(image: CachedVolume, mask: CachedVolume) -> tuple[dict[int, int], np.ndarray]:
    """Voxels of each value of a label map, and intensities at a sample of its labelled voxels; one box is read of each."""
    places = mask.places()
    if not len(places):
        return {}, np.empty(0)
    where = places[:, 1:]
    start, size = where.min(axis=0), np.ptp(where, axis=0) + 1
    labels, counts = np.unique(mask.crop(start, size), return_counts=True)
    box = image.crop(start, size)
    return dict(zip(labels.tolist(), counts.tolist())), box[tuple((where - start).T)].astype(np.float64)
