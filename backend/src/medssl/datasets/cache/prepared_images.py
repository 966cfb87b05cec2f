"""Radiographs as small squares, decoded once: what training on 700 000 files reads every time."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from pathlib import Path

import numpy as np

from medssl.core.errors import ResourceError, VolumeError
from medssl.datasets.cache.volume_cache import put
from medssl.images.formats.reading import read_volume
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.radiograph import as_radiograph
from medssl.images.resizing import resized_to

VERSION = 1
LEVELS = 255
SHARE_OF_DISK = 0.9  # of what is free, that decoded images may take


class PreparedImages:
    """Whole radiographs (inside uniform borders) resized to squares of 8 bits, without regard to their aspect.

    With a folder, a square is kept there at its first use, under the digest of the file's path, time and size and of all
    settings: a changed file or setting makes a new one. Processes may share it.

    Args:
        folder: None keeps nothing.
        side: pixels of the squares.
        normalisation: which values become 0 and 255.
    """

    def __init__(self, folder: Path | None, side: int, normalisation: NormalisationConfig) -> None:
        self.folder, self.side, self.normalisation = folder, side, normalisation

    def get(self, image: str, inverted: bool = False) -> np.ndarray:
        """The square (side, side) uint8 [row, column] of a file.

        Raises:
            VolumeError: it is not there, cannot be read, or is no radiograph.
            ResourceError: no room on the disk.
        """
        key = self.key(image, inverted)
        if self.folder is None:
            return self._make(image, inverted)
        path = self.folder / key[:2] / f"{key}.npy"
        try:
            return np.load(path)
        except (OSError, ValueError, EOFError):  # not there yet, or cut off by a crash of the machine
            return self._keep(path, self._make(image, inverted))

    def key(self, image: str, inverted: bool = False) -> str:
        """The digest of a file's path, time and size and of all settings: what its square is known by.

        Raises:
            VolumeError: it is not there.
        """
        try:
            known = os.stat(image)
        except OSError as error:
            raise VolumeError(
                image, f"cannot be read ({error.strerror})", "Check the paths of the dataset spec"
            ) from error
        made_of = f"{VERSION}|{image}|{known.st_mtime_ns}|{known.st_size}|{self.side}|{inverted}|{self.normalisation}"
        return hashlib.sha256(made_of.encode()).hexdigest()

    def _make(self, image: str, inverted: bool) -> np.ndarray:
        pixels = as_radiograph(read_volume(image, "CXR"), "", inverted, self.normalisation).pixels
        return np.rint(resized_to(pixels, (self.side, self.side)).clip(0, 1) * LEVELS).astype(np.uint8)

    @staticmethod
    def _keep(path: Path, square: np.ndarray) -> np.ndarray:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            rule = f"cannot be made ({error.strerror})"
            raise ResourceError(path.parent, rule, "Set MEDSSL_HOME", code="file-unwritable") from error
        data = io.BytesIO()
        np.save(data, square)
        mine = path.with_name(f"{path.stem}-{os.getpid()}.npy")  # another process may be at the same image
        put(mine, data.getvalue())
        os.replace(mine, path)
        return square


def no_room_for(home: Path, images: int, side: int) -> str:
    """Why so many decoded images cannot all be kept on the disk; "" where they can."""
    disk = next(folder for folder in (home, *home.parents) if folder.exists())
    needed, free = images * side * side, shutil.disk_usage(disk).free
    if needed <= SHARE_OF_DISK * free:
        return ""
    return (
        f"{images} decoded images of {side} x {side} pixels take up to {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are "
        "free: they are not kept, and decoded in every epoch"
    )
