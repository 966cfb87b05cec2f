"""Training crops of volumes that know where in the volume they lie: every place of it is as likely, its borders too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.loader import PLACE, SampleOrder, SubVolumeDataset
from medssl.datasets.crops.sampling import draw_crop
from medssl.images.intensity.config import NormalisationConfig

NO_MARGINS = (0, 0, 0)


class PlacedCrops(SubVolumeDataset):
    """Endless crops, `together` of each volume in a row. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    A sample is that of `SubVolumeDataset`, and `extent` (3,): voxels of it along each axis that lie inside the volume; the others
    are padding at the far ends.
    """

    def __init__(
        self,
        volumes: Sequence[CachedVolume],
        size: Sequence[int],
        sampler: str,
        normalisation: NormalisationConfig,
        seed: int,
        together: int = 1,
    ) -> None:
        super().__init__(volumes, size, sampler, normalisation, seed)
        self.together, self._order = together, SampleOrder(seed, len(self.volumes))

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n // self.together]
        volume, rng = self.volumes[chosen], np.random.default_rng([self.seed, PLACE, n])
        start, raw = draw_crop(volume, self.size, self.sampler, rng, NO_MARGINS)
        last = volume.slices[1] if volume.slices is not None else volume.shape[2]
        ends = (*volume.shape[:2], last)
        return {
            "raw": torch.from_numpy(np.ascontiguousarray(raw))[None],
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "start": torch.tensor(start),
            "extent": torch.tensor([min(side, end - first) for side, end, first in zip(self.size, ends, start)]),
        }
