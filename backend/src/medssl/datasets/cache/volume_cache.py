"""Volumes in pieces on disk, so that a random crop costs the same however large the volume, and no memory is kept."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import blosc2
import numpy as np
from filelock import FileLock

from medssl.core.errors import CatalogError, ResourceError, VolumeError
from medssl.core.files import split_choice
from medssl.datasets.cache.label_positions import as_file, find_places
from medssl.datasets.cache.packing import pack
from medssl.datasets.entry import Entry
from medssl.images.borders import Box, box_of
from medssl.images.formats.reading import read_volume
from medssl.images.intensity.volume_statistics import LEVELS, VolumeStatistics, compute
from medssl.images.label_maps import read_label_map
from medssl.images.planes import as_plane, is_flat
from medssl.images.volume import compact, guess_modality

VERSION = 2
SPARSE = 4  # voxels along i and j from one sparse row to the next
OPEN_FILES = 32
NO_QUANTILES = np.zeros(LEVELS, np.float32)  # label maps have none


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

    def crop(self, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
        """The box of `size` voxels at `start`, in stored units (int16 or float32).

        What lies beyond the volume, or beyond `slices`, is filled with the volume's minimum.
        """
        first, last = self._inside(start, size)
        inside = _open(self.path)[tuple(slice(a, b) for a, b in zip(first, last))]
        if inside.shape == tuple(size):
            return inside
        box = np.full(size, self.statistics.minimum, dtype=inside.dtype)
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


class VolumeCache:
    """A folder of volumes as `KEY.b2nd` (voxels), `KEY.npy` (some of them) and `KEY.json` (the rest). Processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, entry: Entry) -> CachedVolume:
        """Read a volume into the cache, unless it is there already: same file, same time, same size.

        Raises:
            VolumeError: the image cannot be read.
            ResourceError: no room on the disk; nothing half-written is left.
        """
        key = _key(entry)
        self._ensure(key, (".json", ".npy", ".b2nd"), lambda: self._write(entry, key))
        return _cached(self.folder / f"{key}.json", entry)

    def add_mask(self, entry: Entry, image: CachedVolume) -> CachedVolume:
        """Read the label map of an image into the cache, unless it is there already; modality LABEL, padded with 0.

        Raises:
            VolumeError: it cannot be read, does not lie on the image, or the image is a view of a 3D one.
            CatalogError: the image has none.
            ResourceError: no room on the disk; nothing half-written is left.
        """
        path = entry.mask
        if path is None:
            raise CatalogError(
                f"image {entry.name}",
                "has no label map",
                "Leave the image out, or give its label map",
                code="label-map-missing",
            )
        if entry.view:
            raise VolumeError(
                f"label map of {entry.name} in the view {entry.view!r}",
                "cannot be used: label maps belong to images as they are",
                "Leave the view out, or give the view as an image of its own",
                code="label-map-of-a-view",
            )
        key = hashlib.sha256("\n".join(["mask", _key(entry), *_known(path)]).encode()).hexdigest()
        self._ensure(key, (".json", "-places.npy", ".b2nd"), lambda: self._write_mask(path, entry.image, key))
        mask = _cached(self.folder / f"{key}.json", entry)
        return replace(mask, slices=image.slices, box=image.box)

    def _ensure(self, key: str, suffixes: Sequence[str], write: Callable[[], None]) -> None:
        """Write the files of a key unless all are there; one process at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = [self.folder / f"{key}{suffix}" for suffix in suffixes]
        if not all(file.exists() for file in files):
            with FileLock(self.folder / f"{key}.lock"):
                if not all(file.exists() for file in files):
                    write()

    def _write(self, entry: Entry, key: str) -> None:
        volume = read_volume(entry.image, entry.modality)
        if entry.view or is_flat(volume.shape):
            volume = as_plane(volume, entry.view, entry.inverted)
        array = np.ascontiguousarray(compact(volume.array))
        modality = volume.modality or guess_modality(array)
        x0, y0, width, height = box = box_of(array, modality)
        about = {
            "shape": list(array.shape),
            "spacing": volume.spacing.tolist(),
            "modality": modality,
            "statistics": compute(array[x0 : x0 + width, y0 : y0 + height], modality).as_dict(),
            "box": list(box),
        }
        sparse = io.BytesIO()
        np.save(sparse, array[::SPARSE, ::SPARSE])
        put(self.folder / f"{key}.b2nd", pack(array))
        put(self.folder / f"{key}.npy", sparse.getvalue())
        put(self.folder / f"{key}.json", json.dumps(about).encode())

    def _write_mask(self, path: Path, image: Path, key: str) -> None:
        labels = read_label_map(path, read_volume(image))
        values = np.unique(labels.array).tolist()
        about = {
            "shape": list(labels.shape),
            "spacing": labels.spacing.tolist(),
            "modality": labels.modality,
            "statistics": VolumeStatistics(0.0, float(values[-1]), 0.0, NO_QUANTILES, True).as_dict(),
            "box": [0, 0, *labels.shape[:2]],
            "values": values,
        }
        put(self.folder / f"{key}.b2nd", pack(labels.array))
        put(self.folder / f"{key}-places.npy", as_file(find_places(labels.array)))
        put(self.folder / f"{key}.json", json.dumps(about).encode())


def common_modality(volumes: Sequence[CachedVolume]) -> str:
    """The one modality of a training set.

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


def put(path: Path, data: bytes) -> None:
    """Write a file of the cache, under a lock held by the caller; it is there whole or not at all.

    Raises:
        ResourceError: no room on the disk.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        raise ResourceError(
            path.parent, f"cannot take {len(data) / 2**20:.1f} MiB more ({error.strerror}; {free / 2**20:.0f} MiB free)",
            "Free disk space, or set MEDSSL_HOME to a larger disk",
            code="disk-full",
        ) from error  # fmt: skip


def _cached(sidecar: Path, entry: Entry) -> CachedVolume:
    about = json.loads(sidecar.read_bytes())
    return CachedVolume(
        sidecar.with_suffix(".b2nd"), tuple(about["shape"]), tuple(about["spacing"]), about["modality"],
        VolumeStatistics.from_dict(about["statistics"]), entry.name, entry.patient, entry.slices,
        tuple(about["box"]), tuple(about.get("values", ())),
    )  # fmt: skip


def _key(entry: Entry) -> str:
    """Uploads are named by their content; other files are known by path, size and time of change."""
    return hashlib.sha256(
        "\n".join([str(VERSION), entry.modality, entry.view, str(entry.inverted), *_known(entry.image)]).encode()
    ).hexdigest()


def _known(path: Path) -> list[str]:
    path, number = split_choice(path.resolve())
    if re.fullmatch(r"[0-9a-f]{64}\.nrrd", path.name):
        return [path.stem]
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    known = [f"{file}|{file.stat().st_mtime_ns}|{file.stat().st_size}" for file in files]
    return known if number is None else [*known, f"#{number}"]


@functools.lru_cache(maxsize=OPEN_FILES)
def _open(path: Path) -> blosc2.NDArray:
    """Mapped read-only, decoded by one thread: pages belong to the system, not to this process."""
    return blosc2.open(str(path), mode="r", mmap_mode="r", dparams=blosc2.DParams(nthreads=1))


@functools.lru_cache(maxsize=OPEN_FILES)
def _open_sparse(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, mmap_mode="r"))  # a plain view slices faster than a memmap
