"""Whole images with their targets as a function of their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.core.errors import CatalogError
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.loader import PLACE, SampleOrder, check_axes, window_table
from medssl.datasets.crops.radiograph_crops import as_prepared, kept_beside, prepared, prepared_windows
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.points import box_around
from medssl.images.resizing import resized_to


class ClassificationDataset(Dataset):
    """Endless crops of a set of images with their targets. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    2D: the centre square of the image, its side 8/7 of the crop's (area), made once and kept beside the cache. 3D: the box of
    8/7 of the crop around the middle of the volume, or around a place in it; what lies beyond the volume is its minimum. (Volumes of
    jobs of earlier versions are resized to that box as a whole.) A sample is a random crop of these, or the centre where not training.
    With balance "classes" each class is drawn as often, images without any being one, and an image without labels never;
    otherwise each image, see `class_groups`.

    A sample is a dict: raw (1, rows, columns) or (1, i, j, k), int16; target (C,) float32, NaN where unknown; window
    (2,) float32, the values of raw that become 0 and 1; index; volume, its number; start (len(size),).
    """

    def __init__(
        self,
        volumes: Sequence[CachedVolume],
        targets: np.ndarray,
        size: Sequence[int],
        normalisation: NormalisationConfig,
        seed: int,
        balance: str = "none",
        training: bool = True,
        centres: np.ndarray | None = None,
    ) -> None:
        """Check every image before the first crop.

        Args:
            centres: (V, 3) continuous voxel indices that the boxes of volumes lie around; None resizes whole volumes.

        Raises:
            CatalogError: no images.
            VolumeError: an image of another dimension than the crop, constant, without contrast, too small or too long.
            InputError: the normalisation does not fit an image's modality.
        """
        if not volumes:
            raise CatalogError("training set", "holds no images", "Add some", code="no-images")
        self.volumes, self.size, self.seed, self.training = tuple(volumes), tuple(size), seed, training
        self.targets = torch.from_numpy(np.asarray(targets, np.float32))  # (V, C)
        self.whole = enlarged(self.size)
        if len(self.size) == 2:
            self.windows = prepared_windows(self.volumes, normalisation)  # (V, 2)
        elif centres is None:
            self.windows = volume_windows(self.volumes, normalisation)
        else:
            for volume in self.volumes:
                check_axes(volume, 3)
            self.windows = window_table(self.volumes, normalisation)
        self._first = None if centres is None else [box_around(centre, self.whole) for centre in centres]
        groups = class_groups(targets) if balance == "classes" else [np.arange(len(self.volumes))]
        self._order = BalancedOrder(seed, groups)

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n]
        room = [whole - size for whole, size in zip(self.whole, self.size)]
        rng = np.random.default_rng([self.seed, PLACE, n])
        start = [int(rng.integers(0, r + 1)) if self.training else r // 2 for r in room]
        if self._first is not None:
            start = [first + s for first, s in zip(self._first[chosen], start)]
            crop = self.volumes[chosen].crop(start, self.size)
        else:
            image = self._image(self.volumes[chosen])
            crop = image[tuple(slice(s, s + size) for s, size in zip(start, self.size))]
        return {
            "raw": torch.from_numpy(crop.copy())[None],
            "target": self.targets[chosen],
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "start": torch.tensor(start),
        }

    def _image(self, volume: CachedVolume) -> np.ndarray:
        return prepared(volume, self.whole[0]) if len(self.size) == 2 else prepared_volume(volume, self.whole)


class BalancedOrder:
    """Which image sample n is: each group in turn, within a group each image in turn, in random orders."""

    def __init__(self, seed: int, groups: Sequence[np.ndarray]) -> None:
        self.groups = list(groups)
        self._group = SampleOrder(seed, len(self.groups))
        self._within = [SampleOrder(seed, len(group)) for group in self.groups]

    def __getitem__(self, n: int) -> int:
        group = self._group[n]
        return int(self.groups[group][self._within[group][n // len(self.groups)]])


def class_groups(targets: np.ndarray) -> list[np.ndarray]:
    """The images (numbers) of each class that occurs, those known to show none, and those that show none as far as is known.

    An image of several classes is in several groups, one of which nothing is known in none.
    """
    targets = np.asarray(targets)
    shown, none = targets > 0.5, (targets < 0.5).all(axis=1)
    in_part = ~shown.any(axis=1) & ~none & ~np.isnan(targets).all(axis=1)
    found = [np.flatnonzero(members) for members in (*shown.T, none, in_part)]
    return [group for group in found if len(group)]


def enlarged(size: Sequence[int]) -> tuple[int, ...]:
    """The lengths of the image that crops of this size are taken from: 8/7 of theirs."""
    return tuple(round(n * 8 / 7) for n in size)


def prepared_volume(volume: CachedVolume, shape: Sequence[int]) -> np.ndarray:
    """A whole cached volume resized to `shape`, int16: made at the first call, kept beside it.

    The extremes of the stored values become -32767 and 32767, so that no normalisation makes it stale.

    Raises:
        ResourceError: no room on the disk.
    """

    def make() -> np.ndarray:
        whole = resized_to(volume.crop((0, 0, 0), volume.shape), shape)
        return np.rint(as_prepared(whole, volume)).astype(np.int16)

    return kept_beside(volume, "x".join(map(str, shape)), make)


def volume_windows(volumes: Sequence[CachedVolume], normalisation: NormalisationConfig) -> torch.Tensor:
    """(V, 2) float32: the values of `prepared_volume` that become 0 and 1.

    Raises:
        VolumeError: a volume that is 2D or constant. InputError: the normalisation does not fit a volume's modality.
    """
    for volume in volumes:
        check_axes(volume, 3)
    table = window_table(volumes, normalisation).double().numpy()
    return torch.tensor([as_prepared(row, volume).tolist() for row, volume in zip(table, volumes)])
