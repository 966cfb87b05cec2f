"""Volumes in pieces on disk, so that a random cube costs the same however large the volume, and no memory is kept."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import blosc2
import numpy as np
from filelock import FileLock

from medssl.data.borders import Box, box_of
from medssl.data.entry import Entry
from medssl.data.planes import as_plane, is_flat
from medssl.data.reading import read_volume
from medssl.data.statistics import VolumeStatistics, compute
from medssl.data.volume import compact, guess_modality
from medssl.errors import ResourceError

VERSION = 2
# Measured on a chest CT (267 x 267 x 183): a 64 x 64 x 32 cube in 0.36 ms; Zstandard saves a further tenth of the disk but
# doubles that, blocks of 64 x 64 x 32 do so too.
CHUNK, BLOCK = 64, 16
PLANE_CHUNK, PLANE_BLOCK = (
    512,
    64,
)  # 2D images are read whole; with chunks of 64 a large one takes a second to pack, not 20 ms
SPARSE = 4  # voxels along i and j from one sparse row to the next
OPEN_FILES = 32


@dataclass(frozen=True, eq=False)
class CachedVolume:
    """A volume in the cache: small enough to send to a worker, opened there when the first cube is read."""

    path: Path  # the .b2nd file
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]  # mm
    modality: str
    statistics: VolumeStatistics
    name: str = ""
    patient: str = ""
    slices: tuple[int, int] | None = None  # use only these along the last axis, half open
    box: Box = (0, 0, 0, 0)  # of a 2D image, inside its uniform borders; the statistics are of this part

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
        self.folder.mkdir(parents=True, exist_ok=True)
        key = _key(entry)
        files = [self.folder / f"{key}{suffix}" for suffix in (".json", ".npy", ".b2nd")]
        if not all(file.exists() for file in files):
            with FileLock(self.folder / f"{key}.lock"):
                if not all(file.exists() for file in files):
                    self._write(entry, key)
        return _cached(files[0], entry)

    def _write(self, entry: Entry, key: str) -> None:
        volume = read_volume(entry.image, entry.modality)
        if entry.view or is_flat(volume.shape):
            volume = as_plane(volume, entry.view, entry.inverted)
        array = np.ascontiguousarray(compact(volume.array))
        modality = volume.modality or guess_modality(array)
        x0, y0, width, height = box = box_of(array, modality)
        chunk, block = (CHUNK, BLOCK) if array.ndim == 3 else (PLANE_CHUNK, PLANE_BLOCK)
        packed = blosc2.asarray(
            array,
            chunks=tuple(min(chunk, n) for n in array.shape), blocks=tuple(min(block, n) for n in array.shape),
            cparams=blosc2.CParams(codec=blosc2.Codec.LZ4, clevel=5, filters=[blosc2.Filter.BITSHUFFLE], nthreads=1),
        )  # fmt: skip
        about = {
            "shape": list(array.shape),
            "spacing": volume.spacing.tolist(),
            "modality": modality,
            "statistics": compute(array[x0 : x0 + width, y0 : y0 + height], modality).as_dict(),
            "box": list(box),
        }
        sparse = io.BytesIO()
        np.save(sparse, array[::SPARSE, ::SPARSE])
        put(self.folder / f"{key}.b2nd", packed.to_cframe())
        put(self.folder / f"{key}.npy", sparse.getvalue())
        put(self.folder / f"{key}.json", json.dumps(about).encode())


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
        ) from error  # fmt: skip


def _cached(sidecar: Path, entry: Entry) -> CachedVolume:
    about = json.loads(sidecar.read_bytes())
    return CachedVolume(
        sidecar.with_suffix(".b2nd"), tuple(about["shape"]), tuple(about["spacing"]), about["modality"],
        VolumeStatistics.from_dict(about["statistics"]), entry.name, entry.patient, entry.slices,
        tuple(about["box"]),
    )  # fmt: skip


def _key(entry: Entry) -> str:
    """Uploads are named by their content; other files are known by path, size and time of change."""
    path = entry.image.resolve()
    if re.fullmatch(r"[0-9a-f]{64}\.nrrd", path.name):
        known = [path.stem]
    else:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        known = [f"{file}|{file.stat().st_mtime_ns}|{file.stat().st_size}" for file in files]
    return hashlib.sha256(
        "\n".join([str(VERSION), entry.modality, entry.view, str(entry.inverted), *known]).encode()
    ).hexdigest()


@functools.lru_cache(maxsize=OPEN_FILES)
def _open(path: Path) -> blosc2.NDArray:
    """Mapped read-only, decoded by one thread: pages belong to the system, not to this process."""
    return blosc2.open(str(path), mode="r", mmap_mode="r", dparams=blosc2.DParams(nthreads=1))


@functools.lru_cache(maxsize=OPEN_FILES)
def _open_sparse(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, mmap_mode="r"))  # a plain view slices faster than a memmap
