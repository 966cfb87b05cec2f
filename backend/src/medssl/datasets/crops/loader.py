"""Training crops of volumes (Genesis: sub-volumes) as a function of their number, and micro-batches of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from medssl.core.errors import CatalogError, MedSSLError, VolumeError
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.sampling import check_sampler, draw_crop
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.images.planes import HOW

PLACE, ORDER = 0, 1  # purposes of random draws: where in an image, in which order of images


class SubVolumeDataset(Dataset):
    """Endless crops of a set of volumes. `dataset[n]` depends on (seed, n) alone, for any n >= 0.

    The volumes are visited in cycles, each in an order of its own. A volume smaller than the crop is padded with its
    minimum. A sample is a dict: raw (1, *size) int16 or float32; window (2,) float32, the stored values that become 0 and 1;
    index; volume, its number; start (len(size),).
    """

    def __init__(
        self,
        volumes: Sequence[CachedVolume],
        size: Sequence[int],
        sampler: str,
        normalisation: NormalisationConfig,
        seed: int,
    ) -> None:
        """Check every volume before the first crop.

        Raises:
            VolumeError: a volume of another dimension than the crop, or a constant one.
            InputError: normalisation or sampler do not fit a volume's modality.
        """
        if not volumes:
            raise CatalogError("training set", "holds no volumes", "Add some", code="no-images")
        self.volumes, self.size, self.sampler, self.seed = tuple(volumes), tuple(size), sampler, seed
        for volume in self.volumes:
            check_axes(volume, len(self.size))
            check_sampler(sampler, volume)
        self.windows = window_table(self.volumes, normalisation)
        self._order = SampleOrder(seed, len(self.volumes))

    def __getitem__(self, n: int) -> dict[str, Any]:
        chosen = self._order[n]
        rng = np.random.default_rng([self.seed, PLACE, n])
        start, raw = draw_crop(self.volumes[chosen], self.size, self.sampler, rng)
        return {
            "raw": torch.from_numpy(np.ascontiguousarray(raw))[None],
            "window": self.windows[chosen],
            "index": n,
            "volume": chosen,
            "start": torch.tensor(start),
        }


class SampleOrder:
    """Which of `count` volumes sample n is taken from: cycles through all, each in an order of its own."""

    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.count = seed, count
        self._cycle, self._order = -1, np.empty(0, dtype=np.int64)

    def __getitem__(self, n: int) -> int:
        cycle, place = divmod(n, self.count)
        if cycle != self._cycle:
            self._order = np.random.default_rng([self.seed, ORDER, cycle]).permutation(self.count)
            self._cycle = cycle
        return int(self._order[place])


def collate(samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Stack samples: raw (N, C, *size), float32 unless all are int16; window (N, 2) or (N, C, 2), index (N,), volume (N,), start (N, axes).

    What else a sample holds (mask, target) is stacked too.
    """
    kinds = {sample["raw"].dtype for sample in samples}
    raws = [sample["raw"] if len(kinds) == 1 else sample["raw"].float() for sample in samples]
    names = [name for name in samples[0] if name != "raw"]
    others = {name: torch.stack([torch.as_tensor(sample[name]) for sample in samples]) for name in names}
    return {"raw": torch.stack(raws), **others}


def micro_batches(
    dataset: Dataset, indices: Iterable[list[int]], workers: int = 0, pin: bool = False
) -> Iterator[dict[str, torch.Tensor]]:
    """Collated samples for each list of sample numbers, in order, read ahead by `workers` processes.

    `indices` may be endless. Workers are spawned, not forked: a fork after CUDA or numba threads have started may hang.

    Raises:
        MedSSLError: as the data set raised it, in a worker too.
    """
    loader = DataLoader(
        _Carrying(dataset), batch_sampler=indices, num_workers=workers, collate_fn=_collate_or_warn, pin_memory=pin,
        multiprocessing_context="spawn" if workers else None,
        generator=torch.Generator(),  # else every loader draws from the global one, and a resumed run differs
    )  # fmt: skip
    for batch in loader:
        if isinstance(batch, MedSSLError):
            raise batch
        yield batch


class _Carrying(Dataset):
    """A data set whose errors travel as samples: torch would give a worker's error back as a RuntimeError with a traceback."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, n: int) -> Any:
        try:
            return self.dataset[n]
        except MedSSLError as error:
            return error


def _collate_or_warn(samples: list[Any]) -> dict[str, torch.Tensor] | MedSSLError:
    return next((sample for sample in samples if isinstance(sample, MedSSLError)), None) or collate(samples)


def check_axes(volume: CachedVolume, axes: int) -> None:
    """Refuse a volume of another dimension than the samples.

    Raises:
        VolumeError: too few or too many axes, or a single slice where a volume is needed.
    """
    if len(volume.shape) != axes or (axes == 3 and volume.shape[2] == 1):
        wanted = "a 3D volume" if axes == 3 else "a 2D image"
        remedy = "Leave it out of the training set" if axes == 3 else HOW
        raise VolumeError(
            f"{volume.name} of shape {volume.shape}",
            f"is not {wanted}, which this method needs",
            remedy,
            code="not-3d" if axes == 3 else "not-2d",
        )


def channel_windows(volumes: Sequence[CachedVolume], rules: Sequence[NormalisationConfig]) -> torch.Tensor:
    """(V, 2) float32 of volumes of one channel, as `window_table`, or (V, C, 2) of several, each under a rule of its own.

    Raises:
        VolumeError, InputError: see `window_table`; the channel is named.
    """
    tables = [window_table(volumes, rules[0])]
    for number, rule in enumerate(rules[1:], 1):
        channels = [volume.further[number - 1] for volume in volumes]
        tables.append(window_table([replace(one, name=f"{one.name} (image_{number})") for one in channels], rule))
    return tables[0] if len(tables) == 1 else torch.stack(tables, dim=1)


def channel_crops(
    volume: CachedVolume, start: Sequence[int], size: Sequence[int], fills: Sequence[float | None] = ()
) -> torch.Tensor:
    """The same box of every channel, (C, *size); int16 where all are, else float32. Fills: of each channel, see `CachedVolume.crop`."""
    channels = (volume, *volume.further)
    given = fills or [None] * len(channels)
    crops = [np.ascontiguousarray(one.crop(start, size, fill)) for one, fill in zip(channels, given)]
    if len(crops) == 1:
        return torch.from_numpy(crops[0])[None]
    return torch.from_numpy(np.stack(crops).astype(np.int16 if all(c.dtype == np.int16 for c in crops) else np.float32))


def dark(volume: CachedVolume, low: float) -> float:
    """What fills a box beyond a volume whose stored value `low` becomes 0: a value that becomes 0, as padding is when segmenting."""
    return min(volume.statistics.minimum, math.floor(low))


def window_table(volumes: Sequence[CachedVolume], normalisation: NormalisationConfig) -> torch.Tensor:
    """(V, 2) float32: the stored values of each volume that become 0 and 1.

    Raises:
        VolumeError: a constant volume. InputError: the normalisation does not fit a volume's modality.
    """
    rules = [resolve(normalisation, volume.modality, volume.name) for volume in volumes]
    return torch.tensor([window(rule, volume.statistics, volume.name) for rule, volume in zip(rules, volumes)])
