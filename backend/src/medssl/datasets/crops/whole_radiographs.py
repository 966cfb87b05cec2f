"""Whole training radiographs as a function of their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from medssl.core.errors import CatalogError
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.loader import SampleOrder
from medssl.datasets.crops.radiograph_crops import as_prepared, kept_beside, prepared_windows
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.resizing import resized_to

WHOLE_CELLS = 24  # along a side: views of the usual scales are as sharp as the image, or hardly reduced


class WholeRadiographDataset(Dataset):
    """Endless radiographs, all of each between its borders. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    Each image is resized (area) to a square, once, so that a batch is one tensor; `extent` says what shape it had. The images
    are visited in cycles, each in an order of its own. A sample is a dict: raw (1, side, side) int16; window (2,) float32, the
    values of raw that become 0 and 1; index; volume, its number; extent (2,) float32: rows and columns in short sides.
    """

    def __init__(
        self, volumes: Sequence[CachedVolume], side: int, normalisation: NormalisationConfig, seed: int
    ) -> None:
        """Check every image before the first sample.

        Raises:
            VolumeError: an image that is 3D, constant, without contrast, too small or too long.
            InputError: the normalisation does not fit an image's modality.
        """
        if not volumes:
            raise CatalogError("training set", "holds no images", "Add some", code="no-images")
        self.volumes, self.side = tuple(volumes), side
        self.windows = prepared_windows(self.volumes, normalisation)
        self._order = SampleOrder(seed, len(self.volumes))

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n]
        volume = self.volumes[chosen]
        image = kept_beside(volume, f"{self.side}-whole", lambda: _whole(volume, self.side))
        width, height = volume.box[2:]
        return {
            "raw": torch.from_numpy(image.copy())[None],
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "extent": torch.tensor([height, width]) / min(height, width),
        }


def _whole(volume: CachedVolume, side: int) -> np.ndarray:
    x0, y0, width, height = volume.box
    image = resized_to(volume.crop((x0, y0), (width, height)).T, (side, side))
    return np.rint(as_prepared(image, volume)).astype(np.int16)
