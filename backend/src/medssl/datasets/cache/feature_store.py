"""Feature vectors of images in a memory-mapped file that grows: what a network that does not learn knows of them, computed once."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from medssl.core.files import disk_errors
from medssl.datasets.cache.prepared_images import SHARE_OF_DISK

ROWS, INDEX, LOCK = "rows.f32", "index.bin", "writing.lock"
KEY = 32  # bytes of a key, a SHA-256
RECORD = np.dtype([("key", f"V{KEY}"), ("crc", "<u4")])
NUMBER = np.dtype("<f4")
PATIENCE_S = 0.5  # between two looks whether a writer has finished


class FeatureStore:
    """Rows of `width` float32 numbers under keys of 32 bytes, in a folder of their own.

    `rows.f32` holds row after row, `index.bin` a record for each: the key, and the CRC-32 of the row's bytes. A row is written and
    synchronised before its record, and one whose bytes do not fit its record counts as absent: what a crash or a power cut leaves behind is
    computed again. Nothing is ever changed in place, so that readers need no lock; a later record of a key replaces an earlier one.

    Args:
        folder: made at the first `writing`.
        width: numbers of a row.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.width = folder, width
        self._known: dict[bytes, int] = {}  # key -> row
        self._read = 0  # records
        self._rows: np.ndarray = np.empty((0, width), NUMBER)

    def find(self, keys: Sequence[bytes]) -> np.ndarray:
        """The row (N,) int64 of each key; -1 where there is none."""
        self._refresh()
        return np.array([self._known.get(key, -1) for key in keys], np.int64)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Rows (N, width) float32 by their numbers."""
        return np.array(self._rows[rows], np.float32)

    @contextmanager
    def writing(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock around `find` and `add`, so that two processes do not compute the same rows.

        Args:
            waiting: called every half second while another process writes; may raise to stop.

        Raises:
            ResourceError: the folder cannot be made.
        """
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=PATIENCE_S)
            except Timeout:
                waiting()
        try:
            yield
        finally:
            lock.release()

    def add(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep rows (N, width); the caller holds the lock of `writing`.

        Raises:
            ResourceError: the disk is full.
        """
        rows = np.ascontiguousarray(rows, NUMBER)
        records = np.array([(key, zlib.crc32(row.tobytes())) for key, row in zip(keys, rows)], RECORD)
        self._refresh()
        with disk_errors(self.folder / ROWS):
            self._append(ROWS, self._read * self.width * NUMBER.itemsize, rows.tobytes())
            self._append(INDEX, self._read * RECORD.itemsize, records.tobytes())
        self._refresh()

    def _append(self, name: str, place: int, data: bytes) -> None:
        path = self.folder / name
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(place)  # what a crash left behind the last whole record is written over
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _refresh(self) -> None:
        """Take in the records that were added since the last look."""
        index, rows = self.folder / INDEX, self.folder / ROWS
        if not index.is_file() or not rows.is_file():
            return
        count = min(index.stat().st_size // RECORD.itemsize, rows.stat().st_size // (self.width * NUMBER.itemsize))
        if count <= self._read:
            return
        records = np.fromfile(index, RECORD, count - self._read, offset=self._read * RECORD.itemsize)
        self._rows = np.memmap(rows, NUMBER, "r", shape=(count, self.width))
        for number, record in enumerate(records, self._read):
            if zlib.crc32(self._rows[number].tobytes()) == record["crc"]:
                self._known[bytes(record["key"])] = number
        self._read = count


def no_room_for_rows(folder: Path, rows: int, width: int) -> str:
    """Why so many rows cannot all be kept below a folder; "" where they can."""
    disk = next(place for place in (folder, *folder.parents) if place.exists())
    needed, free = rows * (width * NUMBER.itemsize + RECORD.itemsize), shutil.disk_usage(disk).free
    if needed <= SHARE_OF_DISK * free:
        return ""
    return (
        f"{rows} feature vectors of {width} numbers take up to {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: they are "
        "not kept, and computed anew in every step"
    )
