"""Label maps over their images, as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgba

from medssl.images.geometry import reorient
from medssl.images.volume import Volume
from medssl.inference.volumes.segmenter import SegmentedImage
from medssl.reports.figures.anatomy import overlay
from medssl.reports.figures.image_grid import LARGEST, ImageGrid, extent_of

SEEN = (0.25, 0.5, 0.75)  # where they lie between the first and the last slice with a label


def draw_segmentation(found: SegmentedImage, path: Path) -> None:
    """The label map over the image, in the classes' colours, with a legend: three axial slices of a volume."""
    images, maps, names = _slices(found)
    tiles = ImageGrid(images, names, "Segmentation", foot=0.42)
    colours = np.zeros((1 + max(one["value"] for one in found.segments), 4))
    for one in found.segments:
        colours[one["value"]] = to_rgba(one["colour"], 0.5)
    for tile, labels in zip(tiles.tiles, maps):
        thin = max(1, max(labels.shape) // LARGEST)
        overlay(tile, colours[labels.T[::thin, ::thin]], extent_of(labels.shape))
    left = 0.2
    for one in found.segments:
        if left > tiles.width - 0.6:
            break
        tiles.write("■", left, tiles.height - 0.32, size=11, color=one["colour"])
        tiles.write(one["name"], left + 0.18, tiles.height - 0.29, size=8)
        left += 0.45 + 0.075 * len(one["name"])
    tiles.save(path)


def _slices(found: SegmentedImage) -> tuple[list[Volume], list[np.ndarray], list[str]]:
    """2D images, their labels (column, row) and names."""
    if found.labels.array.ndim == 2:
        return [found.source], [found.labels.array], [found.source.name]
    source, labels = reorient(found.source), reorient(found.labels).array  # axial slices, however the file stores them
    shown = np.flatnonzero(labels.any(axis=(0, 1)))
    first, last = (int(shown[0]), int(shown[-1])) if shown.size else (0, labels.shape[2] - 1)
    numbers = sorted({round(first + share * (last - first)) for share in SEEN})
    spacing = np.array([*source.spacing[:2], 1.0])
    images = [Volume(np.ascontiguousarray(source.array[:, :, k]), spacing) for k in numbers]
    return images, [labels[:, :, k] for k in numbers], [f"{source.name}, axial slice {k}" for k in numbers]
