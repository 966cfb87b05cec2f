"""Training radiographs as a function of their number."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch.utils.data import Dataset

from medssl.core.errors import CatalogError
from medssl.datasets.cache.cached_volume import OPEN_FILES, CachedVolume
from medssl.datasets.cache.volume_cache import put
from medssl.datasets.crops.loader import PLACE, SampleOrder, check_axes
from medssl.images.borders import check_box
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.images.resizing import resized

PREPARED_CELLS, CROP_CELLS = 19, 18  # 608 and 576 pixels of 32-pixel cells in the paper
LEVELS = 65534  # an image's extremes become -32767 and 32767


class RadiographDataset(Dataset):
    """Endless crops of a set of radiographs. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    Each image is resized (area) to a short side of 19 cells and cropped at its centre to a square, once; a sample is the
    18 x 18 cells at a random offset of less than a cell. The images are visited in cycles, each in an order of its own. A
    sample is a dict: raw (1, rows, columns) int16; window (2,) float32, the values of raw that become 0 and 1; index;
    volume, its number; start (2,): row and column of the crop in the square.
    """

    def __init__(
        self, volumes: Sequence[CachedVolume], cell: int, normalisation: NormalisationConfig, seed: int
    ) -> None:
        """Check every image before the first crop.

        Raises:
            VolumeError: an image that is 3D, constant, without contrast, too small or too long.
            InputError: the normalisation does not fit an image's modality.
        """
        if not volumes:
            raise CatalogError("training set", "holds no images", "Add some", code="no-images")
        self.volumes, self.cell, self.seed = tuple(volumes), cell, seed
        self.windows = prepared_windows(self.volumes, normalisation)
        self._order = SampleOrder(seed, len(self.volumes))

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n]
        square = prepared(self.volumes[chosen], PREPARED_CELLS * self.cell)
        y, x = np.random.default_rng([self.seed, PLACE, n]).integers(0, self.cell, 2)
        side = CROP_CELLS * self.cell
        return {
            "raw": torch.from_numpy(square[y : y + side, x : x + side].copy())[None],
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "start": torch.tensor([y, x]),
        }


def prepared(volume: CachedVolume, side: int) -> np.ndarray:
    """The square (side, side) int16 [row, column] of a cached radiograph: made at the first call, kept beside it.

    The extremes of the stored values become -32767 and 32767, so that no normalisation makes it stale.

    Raises:
        ResourceError: no room on the disk.
    """
    return kept_beside(volume, str(side), lambda: _square(volume, side))


def prepared_windows(volumes: Sequence[CachedVolume], normalisation: NormalisationConfig) -> torch.Tensor:
    """(V, 2) float32: the values of prepared radiographs that become 0 and 1.

    Raises:
        VolumeError: an image that is 3D, constant, without contrast, too small or too long.
        InputError: the normalisation does not fit an image's modality.
    """
    windows = []
    for volume in volumes:
        check_axes(volume, 2)
        rule = resolve(normalisation, volume.modality, volume.name)
        windows.append([float(as_prepared(v, volume)) for v in window(rule, volume.statistics, volume.name)])
        check_box(volume.box, volume.name)
    return torch.tensor(windows)


def as_prepared(values: Any, volume: CachedVolume) -> Any:
    """Stored values to those of a prepared image, float: the extremes become -32767 and 32767."""
    low, high = volume.statistics.minimum, volume.statistics.maximum
    return (values - low) * (LEVELS / (high - low)) - LEVELS / 2


def kept_beside(volume: CachedVolume, suffix: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array kept beside a cached volume, in a file of its name and this suffix; made at the first call.

    Raises:
        ResourceError: no room on the disk.
    """
    path = volume.path.with_name(f"{volume.path.stem}-{suffix}.npy")
    if not path.exists():
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                data = io.BytesIO()
                np.save(data, make())
                put(path, data.getvalue())
    return _open(path)


def _square(volume: CachedVolume, side: int) -> np.ndarray:
    x0, y0, width, height = volume.box
    image = resized(volume.crop((x0, y0), (width, height)).T, side)
    top, left = ((n - side) // 2 for n in image.shape)
    square = as_prepared(image[top : top + side, left : left + side], volume)
    return np.rint(square).astype(np.int16)


@functools.lru_cache(maxsize=OPEN_FILES)
def _open(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, mmap_mode="r"))
