"""Slices of volumes and their label maps as a function of their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.cache.label_positions import draw_place
from medssl.datasets.crops.loader import PLACE, SampleOrder, dark, window_table
from medssl.datasets.crops.segmentation_crops import check_pairs, crop_bounds
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import SegmentClasses


class SliceDataset(Dataset):
    """Endless crops of the slices (along k) of volumes with their label maps. `dataset[n]` depends on (seed, n) alone.

    With `context` c a sample also shows the c slices before and after, as channels; beyond the first and last slice these
    are repeated. With the chance `foreground_share` a crop is centred on a random voxel of a random class, as in
    `SegmentationDataset`. A sample is a dict: raw (1 + 2 c, rows, columns) int16 or float32; mask (1, rows, columns) uint8,
    class numbers of the middle slice; window (2,) float32, the stored values that become 0 and 1; index; volume, its number;
    start (3,): row, column and slice.
    """

    def __init__(
        self,
        volumes: Sequence[CachedVolume],
        masks: Sequence[CachedVolume],
        classes: SegmentClasses,
        size: tuple[int, int],
        normalisation: NormalisationConfig,
        foreground_share: float,
        seed: int,
        context: int = 0,
        centred: bool = True,
        dark_padding: bool = True,
    ) -> None:
        """Check every volume and label map before the first slice.

        Args:
            size: rows (along j) and columns (along i) of the crops.
            centred, dark_padding: as in `SegmentationDataset`.

        Raises:
            CatalogError: no volumes.
            VolumeError: a volume that is 2D or constant, or a label map with a value that is no class.
            InputError: the normalisation does not fit a volume's modality.
        """
        self.volumes, self.masks, self.classes = tuple(volumes), tuple(masks), classes
        self.size, self.context, self.foreground_share, self.seed = tuple(size), context, foreground_share, seed
        self.centred, self._dark_padding = centred, dark_padding
        check_pairs(self.volumes, self.masks, classes, axes=3)
        self.windows = window_table(self.volumes, normalisation)  # (V, 2)
        self._order = SampleOrder(seed, len(self.volumes))

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n]
        volume, mask = self.volumes[chosen], self.masks[chosen]
        y, x, k = self._start(mask, np.random.default_rng([self.seed, PLACE, n]))
        rows, columns = self.size
        labels = mask.crop((x, y, k), (columns, rows, 1))
        fill = dark(volume, float(self.windows[chosen, 0])) if self._dark_padding else None
        return {
            "raw": torch.from_numpy(slice_stack(volume, (y, x), self.size, k, self.context, fill)),
            "mask": torch.from_numpy(self.classes.index(labels.T, mask.name).copy()),
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "start": torch.tensor([y, x, k]),
        }

    def _start(self, mask: CachedVolume, rng: np.random.Generator) -> tuple[int, int, int]:
        """First row, first column, and slice."""
        (rows, columns), (width, height, depth) = self.size, mask.shape
        (low_y, high_y), (low_x, high_x) = (
            crop_bounds(length, size, self.centred) for length, size in ((height, rows), (width, columns))
        )
        places = mask.places()
        if rng.random() >= self.foreground_share or not len(places):
            return int(rng.integers(low_y, high_y + 1)), int(rng.integers(low_x, high_x + 1)), int(rng.integers(depth))
        i, j, k = draw_place(places, rng)
        return min(max(j - rows // 2, low_y), high_y), min(max(i - columns // 2, low_x), high_x), k


def slice_stack(
    volume: CachedVolume, start: Sequence[int], size: Sequence[int], k: int, context: int, fill: float | None = None
) -> np.ndarray:
    """Slices k - context...k + context of a box (rows, columns) at `start`, (1 + 2 context, rows, columns) in stored units."""
    (y, x), (rows, columns), last = start, size, volume.shape[2] - 1
    wanted = np.clip(np.arange(k - context, k + context + 1), 0, last)
    found = volume.crop((x, y, int(wanted[0])), (columns, rows, int(wanted[-1] - wanted[0]) + 1), fill)
    return np.ascontiguousarray(found.T[wanted - wanted[0]])
