"""A volume in the cache, of which a box is read without the rest."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import blosc2
import numpy as np

from medssl.core.errors import CatalogError, VolumeError
from medssl.images.borders import Box
from medssl.images.channels.fit import Fit
from medssl.images.intensity.volume_statistics import VolumeStatistics
from medssl.images.volume import Volume

SPARSE = 4  # voxels along i and j from one sparse row to the next
OPEN_FILES = 32
LEAST_INT16 = -(2**15)


@dataclass(frozen=True, eq=False)
class CachedVolume:
    """A volume in the cache: small enough to send to a worker, opened there when the first crop is read."""

    path: Path  # the .b2nd file
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]  # mm
    modality: str
    statistics: VolumeStatistics
    name: str = ""
    patient: str = ""
    slices: tuple[int, int] | None = None  # use only these along the last axis, half open
    box: Box = (0, 0, 0, 0)  # of a 2D image, inside its uniform borders; the statistics are of this part
    values: tuple[int, ...] = ()  # of a label map: those that occur, 0 too
    orientation: str = ""  # of a 3D image's file, such as RAS
    tilt: float = 0.0  # degrees between its axes and the patient's, see `tilt_of`
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)  # mm, LPS, of a 3D image
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)  # row by row
    notes: tuple[str, ...] = ()  # what its reader changed or doubts
    further: tuple[CachedVolume, ...] = ()  # its further channels, on its grid
    fit: Fit | None = None  # of a further channel: how it lies on the first

    def whole(self) -> Volume:
        """All of it and its further channels, in their stored units and where they lie."""
        array = self.crop((0,) * len(self.shape), self.shape)
        lies = np.array(self.spacing), np.array(self.origin), np.reshape(self.direction, (3, 3))
        statistics = None if self.fit is None else self.statistics
        return Volume(
            array, *lies, modality=self.modality, name=self.name, patient=self.patient,
            further=tuple(one.whole() for one in self.further), statistics=statistics,
        )  # fmt: skip

    def index_of(self, place: Sequence[float] | np.ndarray) -> np.ndarray:
        """(3,) continuous voxel indices of a place in mm of the LPS frame."""
        axes = np.reshape(self.direction, (3, 3)) * np.array(self.spacing)
        return np.linalg.solve(axes, np.asarray(place, float) - np.array(self.origin))

    def crop(self, start: Sequence[int], size: Sequence[int], fill: float | None = None) -> np.ndarray:
        """The box of `size` voxels at `start`, in stored units (int16 or float32).

        What lies beyond the volume, or beyond `slices`, is filled with `fill`; None: with the volume's minimum.
        """
        first, last = self._inside(start, size)
        inside = _open(self.path)[tuple(slice(a, b) for a, b in zip(first, last))]
        if inside.shape == tuple(size):
            return inside
        fill = self.statistics.minimum if fill is None else fill
        box = np.full(size, max(fill, LEAST_INT16) if inside.dtype == np.int16 else fill, dtype=inside.dtype)
        box[tuple(slice(a - s, b - s) for a, b, s in zip(first, last, start))] = inside
        return box

    def sparse_crop(self, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
        """Every fourth row and column of a box, all its slices, without what lies beyond: enough to judge it, and read at once."""
        first, last = self._inside(start, size)
        every = [SPARSE, SPARSE, 1][: len(first)]
        return _open_sparse(self.path.with_suffix(".npy"))[
            tuple(slice(-(-a // n), -(-b // n)) for a, b, n in zip(first, last, every))
        ]

    def places(self) -> np.ndarray:
        """Of a label map: (P, 1 + axes) int32, value and place of a sample of its labelled voxels, by value."""
        return _open_sparse(self.path.with_name(f"{self.path.stem}-places.npy"))

    def _inside(self, start: Sequence[int], size: Sequence[int]) -> tuple[list[int], list[int]]:
        """First and last index of the part of a box that the volume (and `slices`) holds."""
        low, high = [0] * len(self.shape), list(self.shape)
        if self.slices is not None:
            low[-1], high[-1] = self.slices
        first = [min(max(s, a), b) for s, a, b in zip(start, low, high)]
        return first, [min(max(s + n, a), b) for s, n, a, b in zip(start, size, low, high)]


def check_varies(image: CachedVolume) -> None:
    """Refuse an image that is the same everywhere, or a further channel of it that is.

    Raises:
        VolumeError: it is.
    """
    for one in (image, *image.further):
        if one.statistics.minimum == one.statistics.maximum:
            raise VolumeError(
                one.name, f"is constant ({one.statistics.minimum:g} everywhere): nothing can be learnt from it", "Leave it out",
                code="image-constant",
            )  # fmt: skip


def common_modality(volumes: Sequence[CachedVolume]) -> str:
    """The one modality of a training set, or of one of its channels.

    Raises:
        CatalogError: CT and MR in one set: no normalisation fits both.
    """
    found = {volume.modality: volume.name for volume in volumes}
    if len(found) > 1:
        some = ", ".join(f"{name} is {modality or 'unknown'}" for modality, name in found.items())
        raise CatalogError(
            some,
            "mixes modalities in one training set",
            "Train on one modality, or state it (modality column, --modality)",
            code="modalities-mixed",
        )
    return next(iter(found))


@functools.lru_cache(maxsize=OPEN_FILES)
def _open(path: Path) -> blosc2.NDArray:
    """Mapped read-only, decoded by one thread: pages belong to the system, not to this process."""
    return blosc2.open(str(path), mode="r", mmap_mode="r", dparams=blosc2.DParams(nthreads=1))


@functools.lru_cache(maxsize=OPEN_FILES)
def _open_sparse(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, mmap_mode="r"))  # a plain view slices faster than a memmap
