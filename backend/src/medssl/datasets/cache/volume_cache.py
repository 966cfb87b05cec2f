"""Volumes in pieces on disk, so that a random crop costs the same however large the volume, and no memory is kept."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from medssl.core.errors import CatalogError, ResourceError, VolumeError
from medssl.core.files import split_choice
from medssl.core.geometry import CANONICAL, Geometry, orientation_of, tilt_of
from medssl.datasets.cache.cached_volume import SPARSE, CachedVolume
from medssl.datasets.cache.channel_voxels import channel_on
from medssl.datasets.cache.label_positions import as_file, find_places
from medssl.datasets.cache.packing import pack
from medssl.datasets.entry import Entry, read_entry
from medssl.images.borders import box_of
from medssl.images.channels.fit import Fit
from medssl.images.formats.voxel_files import files_of
from medssl.images.geometry import reorient
from medssl.images.geometry_config import STORED
from medssl.images.intensity.volume_statistics import LEVELS, VolumeStatistics, compute
from medssl.images.label_maps import MODALITY as MASK
from medssl.images.label_maps import read_label_map
from medssl.images.planes import as_plane, is_flat
from medssl.images.resampling import on_grid, resample, resample_labels, resampled_shape
from medssl.images.volume import Volume, compact, guess_modality

VERSION, VERSION_STORED = 3, 2  # of the keys; as stored, what earlier versions left is used
VOLUME_FILES, MASK_FILES = (".json", ".npy", ".b2nd"), (".json", "-places.npy", ".b2nd")
RESAMPLED, CHANNEL = 1, 1  # versions of resampled entries, and of channels on the grid of the first
NO_QUANTILES = np.zeros(LEVELS, np.float32)  # label maps have none


class VolumeCache:
    """A folder of volumes as `KEY.b2nd` (voxels), `KEY.npy` (some of them) and `KEY.json` (the rest). Processes may share it.

    3D volumes are kept in one orientation, in their stored units and spacing; a resampled one is a further entry. To fill an
    entry takes the memory of the volume twice (as read and in order, then in order and sorted), or three times where it hardly
    packs; to resample one that of both volumes and of a few slices in float32. On the disk either takes at most its voxels, a CT about half.

    Args:
        folder: made where it is not there.
        orientation: LPS, or "stored": as the files have it, which only jobs of earlier versions want.
    """

    def __init__(self, folder: Path, orientation: str = CANONICAL) -> None:
        self.folder, self.orientation = folder, orientation

    def add(self, entry: Entry) -> CachedVolume:
        """Read a volume into the cache, unless it is there already: same file, same time, same size.

        Raises:
            VolumeError: the image cannot be read.
            ResourceError: no room on the disk; nothing half-written is left.
        """
        key = self._key(entry)
        self._ensure(key, VOLUME_FILES, lambda: self._write(entry, key))
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
        key = hashlib.sha256("\n".join(["mask", self._key(entry), *_known(path)]).encode()).hexdigest()
        self._ensure(key, MASK_FILES, lambda: self._write_mask(path, entry, key))
        mask = _cached(self.folder / f"{key}.json", entry)
        return replace(mask, slices=image.slices, box=image.box)

    def add_channels(self, entry: Entry, image: CachedVolume) -> CachedVolume:
        """The image with its further channels, each resampled onto the image's grid and kept beside it as an entry of its own.

        Raises:
            VolumeError: a channel that cannot be read, is 2D, or has no place in common with the image; named with its column.
            ResourceError: no room on the disk; nothing half-written is left.
        """
        further = []
        for number, channel in enumerate(entry.further, 1):
            try:
                masks = [known for one in (entry, channel) for known in (_known(one.mask) if one.mask else [""])]
                about = ["channel", str(CHANNEL), image.path.stem, self._key(channel), *masks]
                key = hashlib.sha256("\n".join(about).encode()).hexdigest()
                self._ensure(key, VOLUME_FILES, lambda: self._write_channel(entry, image, number, key))  # noqa: B023
            except VolumeError as error:
                value = f"{entry.name}, image_{number}: {error.value}"
                raise VolumeError(value, error.rule, error.remedy, code=error.code) from error
            further.append(replace(_cached(self.folder / f"{key}.json", channel), slices=image.slices))
        return replace(image, further=tuple(further))

    def resampled(self, volume: CachedVolume, geometry: Geometry) -> CachedVolume:
        """A cached volume or label map in the spacing of a geometry: made once, kept beside it; itself where it has that already.

        The statistics stay those of the volume as it was, so that intensities are normalised alike before and after.

        Raises:
            ResourceError: no room on the disk; nothing half-written is left.
        """
        if not geometry.spacing or len(volume.shape) != 3:
            return volume
        shape = resampled_shape(volume.shape, volume.spacing, geometry.spacing)
        if shape == volume.shape:
            return volume
        if volume.further:
            alone = self.resampled(replace(volume, further=()), geometry)
            return replace(alone, further=tuple(self.resampled(one, geometry) for one in volume.further))
        mask = volume.modality == MASK
        how = "labels" if mask else geometry.interpolation
        key = hashlib.sha256(f"{RESAMPLED}|{volume.path.stem}|{shape}|{how}".encode()).hexdigest()
        files = MASK_FILES if mask else VOLUME_FILES
        self._ensure(key, files, lambda: self._write_resampled(volume, geometry, key))
        about = json.loads((self.folder / f"{key}.json").read_bytes())
        slices = volume.slices
        if slices is not None:
            scale = shape[2] / volume.shape[2]
            slices = round(slices[0] * scale), round(slices[1] * scale)
        return replace(
            volume, path=self.folder / f"{key}.b2nd", shape=shape, spacing=tuple(about["spacing"]), slices=slices,
            box=(0, 0, shape[0], shape[1]), values=tuple(about.get("values", ())),
            origin=tuple(about.get("origin", volume.origin)),
        )  # fmt: skip

    def _key(self, entry: Entry) -> str:
        """Uploads are named by their content; other files are known by path, size and time of change."""
        how = [str(VERSION_STORED)] if self.orientation == STORED else [str(VERSION), self.orientation]
        about = [
            *how,
            entry.modality,
            entry.view,
            str(entry.inverted),
            *([entry.part] if entry.part else ()),
            *([entry.gaps] if entry.gaps != "refuse" else ()),
            *_known(entry.image, entry.files),
        ]
        return hashlib.sha256("\n".join(about).encode()).hexdigest()

    def _ensure(self, key: str, suffixes: Sequence[str], write: Callable[[], None]) -> None:
        """Write the files of a key unless all are there; one process at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = [self.folder / f"{key}{suffix}" for suffix in suffixes]
        if not all(file.exists() for file in files):
            with FileLock(self.folder / f"{key}.lock"):
                if not all(file.exists() for file in files):
                    write()

    def _write(self, entry: Entry, key: str) -> None:
        volume = read_entry(replace(entry, point=None, further=()))
        lies: dict[str, Any] = {}
        if entry.view or is_flat(volume.shape):
            volume = as_plane(volume, entry.view, entry.inverted)
        else:
            direction = volume.direction.tolist()
            lies = {"orientation": orientation_of(direction), "tilt": tilt_of(direction)}
            volume = self._ordered(volume)
            lies |= {"origin": volume.origin.tolist(), "direction": volume.direction.ravel().tolist()}
        array = np.ascontiguousarray(compact(volume.array))
        volume = replace(volume, array=array)  # what was read is freed before the statistics sort a copy
        modality = volume.modality or guess_modality(array)
        x0, y0, width, height = box = box_of(array, modality)
        about = {
            "shape": list(array.shape),
            "spacing": volume.spacing.tolist(),
            "modality": modality,
            "statistics": compute(array[x0 : x0 + width, y0 : y0 + height], modality).as_dict(),
            "box": list(box),
            "notes": list(volume.notes),
            **lies,
        }
        self._put_volume(key, array, about)

    def _write_mask(self, path: Path, entry: Entry, key: str) -> None:
        labels = read_label_map(path, read_entry(replace(entry, point=None, further=())))
        labels = labels if is_flat(labels.shape) else self._ordered(labels)
        self._put_mask(key, np.ascontiguousarray(labels.array), labels.spacing)

    def _write_channel(self, entry: Entry, image: CachedVolume, number: int, key: str) -> None:
        with_labels = entry.mask and entry.further[number - 1].mask
        labels = self.add_mask(entry, image).whole().array if with_labels else None
        self._put_volume(key, *channel_on(image, entry.further[number - 1], f"image_{number}", labels))

    def _write_resampled(self, volume: CachedVolume, geometry: Geometry, key: str) -> None:
        whole = volume.whole()
        if volume.modality == MASK:
            array = resample_labels(whole.array, resampled_shape(volume.shape, volume.spacing, geometry.spacing))
            self._put_mask(key, array, on_grid(whole, array).spacing)
            return
        found = resample(whole, geometry.spacing, geometry.interpolation)
        del whole  # freed before the result is laid out anew and packed
        about = {"spacing": found.spacing.tolist(), "origin": found.origin.tolist()}
        found = replace(found, array=np.ascontiguousarray(found.array))
        self._put_volume(key, found.array, about)

    def _ordered(self, volume: Volume) -> Volume:
        return volume if self.orientation == STORED else reorient(volume, self.orientation)

    def _put_volume(self, key: str, array: np.ndarray, about: dict[str, Any]) -> None:
        sparse = io.BytesIO()
        np.save(sparse, array[::SPARSE, ::SPARSE])
        put(self.folder / f"{key}.b2nd", pack(array))
        put(self.folder / f"{key}.npy", sparse.getvalue())
        put(self.folder / f"{key}.json", json.dumps(about).encode())

    def _put_mask(self, key: str, array: np.ndarray, spacing: np.ndarray) -> None:
        values = np.unique(array).tolist()
        about = {
            "shape": list(array.shape),
            "spacing": spacing.tolist(),
            "modality": MASK,
            "statistics": VolumeStatistics(0.0, float(values[-1]), 0.0, NO_QUANTILES, True).as_dict(),
            "box": [0, 0, *array.shape[:2]],
            "values": values,
        }
        put(self.folder / f"{key}.b2nd", pack(array))
        put(self.folder / f"{key}-places.npy", as_file(find_places(array)))
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
            code="disk-full",
        ) from error  # fmt: skip


def _cached(sidecar: Path, entry: Entry) -> CachedVolume:
    about = json.loads(sidecar.read_bytes())
    return CachedVolume(
        sidecar.with_suffix(".b2nd"), tuple(about["shape"]), tuple(about["spacing"]), about["modality"],
        VolumeStatistics.from_dict(about["statistics"]), entry.name, entry.patient, entry.slices,
        tuple(about["box"]), tuple(about.get("values", ())), about.get("orientation", ""), about.get("tilt", 0.0),
        tuple(about.get("origin", CachedVolume.origin)), tuple(about.get("direction", CachedVolume.direction)),
        tuple(about.get("notes", ())), fit=Fit(**about["fit"]) if "fit" in about else None,
    )  # fmt: skip


def _known(path: Path, series: tuple[Path, ...] = ()) -> list[str]:
    """What changes where a file changes, of a folder or a series all its files.

    Raises:
        VolumeError: a broken link, a folder that may not be read, or a name that is no text.
    """
    try:
        path, number = split_choice(path.resolve())
        if re.fullmatch(r"[0-9a-f]{64}\.nrrd", path.name):
            return [path.stem]
        files = sorted(series) or files_of(path)
        known = [f"{file}|{file.stat().st_mtime_ns}|{file.stat().st_size}" for file in files]
        "".join(known).encode()
    except (OSError, RuntimeError) as error:  # a circle of links is a RuntimeError up to Python 3.12
        reason = getattr(error, "strerror", None) or "a circle of links"
        raise VolumeError(
            path, f"cannot be read ({reason})", "Check links and permissions", code="image-unreadable"
        ) from error
    except UnicodeEncodeError as error:
        raise VolumeError(path, "has a name that is no valid text", "Rename it", code="name-unreadable") from error
    return known if number is None else [*known, f"#{number}"]
