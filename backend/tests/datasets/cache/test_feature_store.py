"""Rows in a file that grows: found again, shared, and safe against what a crash leaves behind."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest

from medssl.datasets.cache.feature_store import INDEX, RECORD, ROWS, FeatureStore, no_room_for_rows

WIDTH = 5


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def rows(*numbers: int) -> np.ndarray:
    return np.stack([np.random.default_rng(n).normal(size=WIDTH).astype(np.float32) for n in numbers])


def filled(folder: Path, *numbers: int) -> FeatureStore:
    store = FeatureStore(folder, WIDTH)
    with store.writing():
        store.add([key(n) for n in numbers], rows(*numbers))
    return store


def held(store: FeatureStore, number: int) -> np.ndarray | None:
    row = store.find([key(number)])
    return None if row[0] < 0 else store.read(row)[0]


def test_rows_are_found_again_bit_for_bit_also_by_others(tmp_path: Path):
    early = FeatureStore(tmp_path / "f", WIDTH)
    assert early.find([key(1)]).tolist() == [-1]
    store = filled(tmp_path / "f", 1, 2, 3)
    with store.writing():
        store.add([key(9)], rows(9))
    for one in (store, early, FeatureStore(tmp_path / "f", WIDTH)):
        found = one.find([key(3), key(7), key(9), key(1)])
        assert found.tolist() == [2, -1, 3, 0]
        assert np.array_equal(one.read(found[[0, 2, 3]]), rows(3, 9, 1))


@pytest.mark.parametrize("cut", [(INDEX, 1), (INDEX, RECORD.itemsize), (ROWS, 3), (ROWS, 4 * WIDTH)])
def test_what_a_crash_cut_off_is_absent_and_written_over(tmp_path: Path, cut: tuple[str, int]):
    filled(tmp_path / "f", 1, 2)
    path = tmp_path / "f" / cut[0]
    path.write_bytes(path.read_bytes()[: -cut[1]])
    store = FeatureStore(tmp_path / "f", WIDTH)
    assert held(store, 2) is None and np.array_equal(held(store, 1), rows(1)[0])
    with store.writing():
        store.add([key(5), key(6)], rows(5, 6))
    again = FeatureStore(tmp_path / "f", WIDTH)
    assert all(np.array_equal(held(again, n), rows(n)[0]) for n in (1, 5, 6)) and held(again, 2) is None


def test_a_row_whose_bytes_changed_is_absent(tmp_path: Path):
    filled(tmp_path / "f", 1, 2)
    path = tmp_path / "f" / ROWS
    data = bytearray(path.read_bytes())
    data[2] ^= 1
    path.write_bytes(data)
    store = FeatureStore(tmp_path / "f", WIDTH)
    assert held(store, 1) is None and held(store, 2) is not None
    with store.writing():
        store.add([key(1)], rows(1))
    assert np.array_equal(held(FeatureStore(tmp_path / "f", WIDTH), 1), rows(1)[0]), "the later record counts"


def test_writers_wait_for_each_other_and_can_be_stopped(tmp_path: Path):
    store, other = FeatureStore(tmp_path / "f", WIDTH), FeatureStore(tmp_path / "f", WIDTH)
    begun, stop = threading.Event(), threading.Event()

    def hold() -> None:
        with store.writing():
            begun.set()
            stop.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(20)

    def cancelled() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError), other.writing(cancelled):
        pass
    stop.set()
    thread.join(20)
    with other.writing(cancelled):
        other.add([key(1)], rows(1))
    assert held(store, 1) is not None


def test_a_disk_without_room_is_said_in_numbers(tmp_path: Path):
    assert no_room_for_rows(tmp_path / "not" / "yet", 10, WIDTH) == ""
    assert "GiB are free" in no_room_for_rows(tmp_path / "not" / "yet", 10**12, 1280)
