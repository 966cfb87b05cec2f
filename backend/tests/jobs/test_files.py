from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from medssl.core.errors import ResourceError
from medssl.core.files import disk_errors, to_text, write_atomic, write_json
from medssl.core.home import home_folder
from medssl.jobs.record import EventLog


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_json(path, {"step": 1})
    monkeypatch.setattr(os, "fsync", full_disk)
    with refused("disk-full"):
        write_json(path, {"step": 2})
    assert json.loads(path.read_text()) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_another_error_of_the_disk_stays_itself():
    with pytest.raises(TimeoutError), disk_errors(Path("x")):
        raise TimeoutError(errno.ETIMEDOUT, "no")


def test_a_folder_that_is_not_there_or_not_ours_is_told():
    for number in (errno.ENOENT, errno.EACCES, errno.EROFS):
        with refused("file-unwritable", names="x"), disk_errors(Path("x")):
            raise OSError(number, "no")


class FullAfter:
    """A file with room for so many more bytes."""

    def __init__(self, file, room):
        self.file, self.room, self.name = file, room, file.name

    def write(self, data):
        if not self.room:
            full_disk()
        written = self.file.write(data[: self.room])
        self.room -= written
        return written

    def truncate(self, size):
        return self.file.truncate(size)


def test_an_event_that_finds_no_room_is_taken_back(tmp_path):
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append("loss", {"step": 0})
    whole, real = path.read_bytes(), log._file
    log._file = FullAfter(real, 10)
    with pytest.raises(ResourceError):
        log.append("loss", {"step": 1})
    assert path.read_bytes() == whole
    log._file = real
    log.append("loss", {"step": 1})
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [0, 1]


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_a_secret_is_never_readable_by_others(tmp_path):
    write_atomic(tmp_path / "server.json", b"token", mode=0o600)
    assert (tmp_path / "server.json").stat().st_mode & 0o077 == 0


def test_json_takes_array_scalars_and_paths():
    assert json.loads(to_text({"a": np.float32(0.5), "b": np.int64(3), "c": Path("x"), "d": np.float64("inf")})) == {
        "a": 0.5, "b": 3, "c": "x", "d": None,
    }  # fmt: skip


def test_home_is_the_argument_then_the_variable_then_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "ü b"))
    assert home_folder() == tmp_path / "ü b"
    assert home_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("MEDSSL_HOME")
    assert home_folder().name.lower() == "medssl" and home_folder().is_absolute()
