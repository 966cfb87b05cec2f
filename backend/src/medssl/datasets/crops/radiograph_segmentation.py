"""Crops of radiographs and their label maps as a function of their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.loader import PLACE, SampleOrder
from medssl.datasets.crops.radiograph_crops import as_prepared, kept_beside, prepared_windows
from medssl.datasets.crops.segmentation_crops import check_pairs
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.resizing import aspect_kept, nearest, resized
from medssl.images.segment_classes import SegmentClasses


class RadiographSegmentationDataset(Dataset):
    """Endless crops of a set of radiographs with their label maps. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    Each image without its uniform borders is resized (area) to a short side of 8/7 of the crop's, the aspect ratio kept, its
    label map likewise (nearest), once; a sample is a crop at a random place. A sample is a dict: raw (1, side, side) int16;
    mask (1, side, side) uint8, class numbers; window (2,) float32, the values of raw that become 0 and 1; index; volume, its
    number; start (2,): row and column of the crop in the resized image.
    """

    def __init__(
        self,
        volumes: Sequence[CachedVolume],
        masks: Sequence[CachedVolume],
        classes: SegmentClasses,
        side: int,
        normalisation: NormalisationConfig,
        seed: int,
    ) -> None:
        """Check every image and label map before the first crop.

        Raises:
            CatalogError: no images.
            VolumeError: an image that is 3D, constant, without contrast, too small or too long, or a label map with a value
                that is no class.
            InputError: the normalisation does not fit an image's modality.
        """
        self.volumes, self.masks, self.classes = tuple(volumes), tuple(masks), classes
        self.side, self.short, self.seed = side, round(side * 8 / 7), seed
        check_pairs(self.volumes, self.masks, classes, axes=2)
        self.windows = prepared_windows(self.volumes, normalisation)  # (V, 2)
        self._order = SampleOrder(seed, len(self.volumes))

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n]
        volume, mask = self.volumes[chosen], self.masks[chosen]
        image, labels = prepared_image(volume, self.short), prepared_labels(mask, self.short)
        rng = np.random.default_rng([self.seed, PLACE, n])
        y, x = (int(rng.integers(0, length - self.side + 1)) for length in image.shape)
        crop = slice(y, y + self.side), slice(x, x + self.side)
        return {
            "raw": torch.from_numpy(image[crop].copy())[None],
            "mask": torch.from_numpy(self.classes.index(labels[crop], mask.name))[None],
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "start": torch.tensor([y, x]),
        }


def prepared_image(volume: CachedVolume, short_side: int) -> np.ndarray:
    """A radiograph without uniform borders, int16 [row, column], resized to this short side; kept beside the cached one.

    The extremes of the stored values become -32767 and 32767.
    """

    def make() -> np.ndarray:
        return np.rint(as_prepared(resized(_inside(volume), short_side), volume)).astype(np.int16)

    return kept_beside(volume, f"short{short_side}", make)


def prepared_labels(mask: CachedVolume, short_side: int) -> np.ndarray:
    """The label map of `prepared_image`, values as stored."""

    def make() -> np.ndarray:
        labels = _inside(mask)
        return nearest(labels, aspect_kept(labels.shape, short_side))

    return kept_beside(mask, f"short{short_side}", make)


def _inside(volume: CachedVolume) -> np.ndarray:
    """(rows, columns) of its box."""
    x0, y0, width, height = volume.box
    return volume.crop((x0, y0), (width, height)).T
