"""Crops of volumes and their label maps as a function of their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.core.errors import CatalogError, VolumeError
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.cache.label_positions import draw_place
from medssl.datasets.crops.loader import PLACE, SampleOrder, channel_crops, channel_windows, check_axes, dark
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.segment_classes import SegmentClasses


class SegmentationDataset(Dataset):
    """Endless crops of a set of volumes with their label maps. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    With the chance `foreground_share` a crop is centred on a random voxel of a random class of its volume, as far as the
    volume's borders let it, else (and where nothing is labelled) its place is uniform. A volume smaller than the crop lies in its
    middle, as where whole images are segmented; around it are the image's minimum and background, and `start` is negative.
    A sample is a dict: raw (C, *size) int16 or float32, the same box of every channel; mask (1, *size) uint8, class numbers;
    window (2,) or (C, 2) float32, the stored values that become 0 and 1; index; volume, its number; start (3,).
    """

    def __init__(
        self,
        volumes: Sequence[CachedVolume],
        masks: Sequence[CachedVolume],
        classes: SegmentClasses,
        size: tuple[int, int, int],
        normalisation: NormalisationConfig,
        foreground_share: float,
        seed: int,
        further: Sequence[NormalisationConfig] = (),
        centred: bool = True,
        dark_padding: bool = True,
    ) -> None:
        """Check every volume and label map before the first crop.

        Args:
            further: the rules of the volumes' further channels.
            centred: False: a volume smaller than the crop lies in its first corner, as in jobs begun before it lay in the middle.
            dark_padding: what lies beyond a volume becomes 0, as when it is segmented; False: what its minimum becomes, as in
                jobs of earlier versions.

        Raises:
            CatalogError: no volumes.
            VolumeError: a volume that is 2D or constant, or a label map with a value that is no class.
            InputError: the normalisation does not fit a volume's modality.
        """
        self.volumes, self.masks, self.classes, self.size = tuple(volumes), tuple(masks), classes, tuple(size)
        self.foreground_share, self.seed, self.centred = foreground_share, seed, centred
        check_pairs(self.volumes, self.masks, classes, axes=3)
        self.windows = channel_windows(self.volumes, (normalisation, *further))  # (V, 2) or (V, C, 2)
        self._order = SampleOrder(seed, len(self.volumes))
        self._dark_padding = dark_padding

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n]
        volume, mask = self.volumes[chosen], self.masks[chosen]
        start = self._start(mask, np.random.default_rng([self.seed, PLACE, n]))
        return {
            "raw": channel_crops(volume, start, self.size, self._fills(chosen)),
            "mask": torch.from_numpy(self.classes.index(mask.crop(start, self.size), mask.name))[None],
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "start": torch.tensor(start),
        }

    def _fills(self, chosen: int) -> list[float]:
        """What lies beyond each channel of a volume; [] where its minimum does."""
        channels = (self.volumes[chosen], *self.volumes[chosen].further)
        lows = self.windows[chosen].reshape(-1, 2)[:, 0].tolist()
        return [dark(one, low) for one, low in zip(channels, lows)] if self._dark_padding else []

    def _start(self, mask: CachedVolume, rng: np.random.Generator) -> tuple[int, ...]:
        bounds = [crop_bounds(length, size, self.centred) for length, size in zip(mask.shape, self.size)]
        places = mask.places()
        if rng.random() >= self.foreground_share or not len(places):
            return tuple(int(rng.integers(low, high + 1)) for low, high in bounds)
        centre = draw_place(places, rng)
        return tuple(min(max(c - size // 2, low), high) for c, size, (low, high) in zip(centre, self.size, bounds))


def crop_bounds(length: int, size: int, centred: bool = True) -> tuple[int, int]:
    """First and last start of crops of `size` along an axis of `length` voxels; equal where the crop is larger, which then holds it in
    its middle (not `centred`: at its beginning).
    """
    if length >= size:
        return 0, length - size
    start = -((size - length) // 2) if centred else 0
    return start, start


def check_pairs(
    volumes: Sequence[CachedVolume], masks: Sequence[CachedVolume], classes: SegmentClasses, axes: int
) -> None:
    """Refuse images and label maps that cannot train a segmentation.

    Raises:
        CatalogError: no images. VolumeError: an image of another dimension, or a label map with a value that is no class.
    """
    if not volumes:
        raise CatalogError("training set", "holds no images with label maps", "Add some", code="no-images")
    for volume, mask in zip(volumes, masks, strict=True):
        check_axes(volume, axes)
        classes.check_values(mask.values, f"label map of {mask.name}")
        if volume.shape != mask.shape:
            raise VolumeError(
                f"label map of {mask.name} of shape {mask.shape}",
                f"does not match its image of shape {volume.shape}",
                "Pair every image with its own label map",
                code="grid-mismatch",
            )
