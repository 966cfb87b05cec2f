"""Orientation and spacing of a training set: what its images have, and what they are brought to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from medssl.core.geometry import CANONICAL, FAR, Geometry, millimetres, parse_spacing
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.images.geometry_config import FIT, MEDIAN, NATIVE, PLANNED, STORED, GeometryConfig

ANISOTROPIC = 3.0  # times the other axes: spacing of the coarse axis, and fewer voxels along it
LOW_PERCENTILE = 10.0
FITTING = 90.0  # per cent of the training volumes that fit into the input as a whole


def training_geometry(
    images: Sequence[CachedVolume], config: GeometryConfig, looked_at: Sequence[int] | None = None
) -> Geometry:
    """What a model that learns from these images records, and what they are brought to.

    Args:
        images: of the training part, in the cache; where any is 2D nothing is recorded.
        config: the settings; "median" and "fit" become millimetres here, "planned" those of the median, as a plan begins with.
        looked_at: voxels of the box that a network sees of a whole volume, for "fit"; None: it looks at parts.
    """
    if config.orientation == STORED or any(len(image.shape) != 3 for image in images):
        return Geometry()
    spacings = np.array([image.spacing for image in images])
    spacing: tuple[float, ...] = ()
    if config.spacing == FIT and looked_at is not None:
        extents = spacings * np.array([image.shape for image in images])
        spacing = tuple((np.percentile(extents, FITTING, axis=0) / np.array(looked_at)).tolist())
    elif config.spacing in (MEDIAN, FIT, PLANNED):
        spacing = median_spacing(spacings, np.array([image.shape for image in images]))
    elif config.spacing != NATIVE:
        spacing = parse_spacing(config.spacing)
    return Geometry(
        CANONICAL, spacing, config.interpolation, tuple(spacings.min(axis=0)), tuple(spacings.max(axis=0)),
        max(image.tilt for image in images),
    )  # fmt: skip


def median_spacing(spacings: np.ndarray, shapes: np.ndarray) -> tuple[float, ...]:
    """The spacing that a set of volumes is resampled to: the median along each axis.

    Where one axis is three times as coarse as the others and has three times fewer voxels, its spacing is the set's 10th
    percentile instead, at least that of the others: else most images would lose slices (Isensee et al., Nature Methods 18, 2021).

    Args:
        spacings: (N, 3) mm.
        shapes: (N, 3) voxels.
    """
    target, size = np.median(spacings, axis=0), np.median(shapes, axis=0)
    coarse = int(target.argmax())
    others = [axis for axis in range(3) if axis != coarse]
    if target[coarse] > ANISOTROPIC * target[others].max() and size[coarse] * ANISOTROPIC < size[others].min():
        low = float(np.percentile(spacings[:, coarse], LOW_PERCENTILE))
        target[coarse] = max(low, float(target[others].max()))
    return tuple(float(side) for side in target)


def in_spacing(
    images: Sequence[CachedVolume],
    geometry: Geometry,
    cache: VolumeCache,
    progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> tuple[CachedVolume, ...]:
    """Cached volumes or label maps in the spacing of a geometry; `progress` takes how many are done, of how many, and a name."""
    found = []
    for number, image in enumerate(images):
        progress(number, len(images), image.name)
        found.append(cache.resampled(image, geometry))
    return tuple(found)


def remarks(images: Sequence[CachedVolume], geometry: Geometry) -> tuple[str, ...]:
    """What to know of the images of a training set: how they differ, what their readers changed."""
    return (*mixed_orientations(images, geometry), *mixed_spacings(images, geometry), *reader_notes(images))


def reader_notes(images: Sequence[CachedVolume]) -> list[str]:
    """What readers changed or doubt, each kind once, with the number of images and the first."""
    return notes_by_kind((image.name, note) for image in images for note in image.notes)


def notes_by_kind(named: Iterable[tuple[str, str]]) -> list[str]:
    """Notes on images (name, note), each kind once: those that differ in numbers alone are of one."""
    kinds: dict[str, list[str]] = {}
    for name, note in named:
        kinds.setdefault(kind_of_note(note), []).append(f"{name}: {note}")
    return [found[0] if len(found) == 1 else f"{len(found)} images, such as {found[0]}" for found in kinds.values()]


def kind_of_note(note: str) -> str:
    """A note without its numbers."""
    return re.sub(r"[\d.]+", "", note)


def mixed_orientations(images: Sequence[CachedVolume], geometry: Geometry) -> list[str]:
    """What to know of a set whose volumes are stored along several axes: how many along which, and what is done about it."""
    found = Counter(image.orientation for image in images if image.orientation)
    if len(found) < 2:
        return []
    done = f"all are brought to {geometry.orientation}" if geometry.recorded else "they stay so, which mixes anatomy up"
    counts = ", ".join(f"{count} {orientation}" for orientation, count in found.most_common())
    return [f"Volumes are stored in {len(found)} orientations ({counts}): {done}"]


def mixed_spacings(images: Sequence[CachedVolume], geometry: Geometry) -> list[str]:
    """What to know of a set whose images differ in spacing: by how much, and what is done about it."""
    spacings = np.array([image.spacing for image in images if len(image.shape) == 3])
    if not len(spacings):
        return []
    low, high = spacings.min(axis=0), spacings.max(axis=0)
    ratio = float((high / low).max())
    if ratio <= FAR:
        return []
    done = (
        f"they are resampled to {millimetres(geometry.spacing)} mm"
        if geometry.spacing
        else "they are not resampled, and anatomy has several sizes in voxels"
    )
    return [f"Spacings differ up to {ratio:.2g} times ({millimetres(low)} to {millimetres(high)} mm): {done}"]
