"""What tells that an image was replaced under its name since a model was applied to it: size and time of change of its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from medssl.core.files import split_choice
from medssl.datasets.entry import Entry
from medssl.images.formats.voxel_files import files_of

STAMP = ("size_bytes", "changed_ns")  # columns of the index; of several files the sum, and the time of the last


def stamp(entry: Entry) -> dict[str, str]:
    """Size (bytes) and time of change (ns since the epoch) of the files of all channels; {} where one cannot be looked at."""
    try:
        found = [path.stat() for one in (entry, *entry.further) for path in _files(one)]
    except OSError:
        return {}
    size, changed = sum(one.st_size for one in found), max((one.st_mtime_ns for one in found), default=0)
    return dict(zip(STAMP, (str(size), str(changed))))


def replaced(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether two stamps are of different files; one that nobody noted differs from none."""
    return any(before[name] != now[name] for name in STAMP if before.get(name) and now.get(name))


def _files(entry: Entry) -> Iterable[Path]:
    if entry.files:
        return entry.files
    return files_of(split_choice(entry.image)[0])
