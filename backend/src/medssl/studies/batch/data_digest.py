"""What the data of a batch's jobs are, noted in the folder of each: a later batch sees whether they have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from medssl.core.errors import MedSSLError
from medssl.core.files import read_json, split_choice, write_json
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.entry import Entry
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.table_stream import table_path
from medssl.images.formats.voxel_files import files_of

FILE = "batch_data.json"  # in the job's folder


def data_digest(data: DataSpec, home: Path) -> str:
    """16 hexadecimal digits of path, size and time of change of the tables, and of every image and label map they list.

    "" where they cannot be read.
    """
    try:
        entries = read_catalog(data, home, channels=True)
        files = {file for entry in entries for file in _files(entry)} | set(_tables(data))
    except (MedSSLError, OSError):  # the job will say what is wrong
        return ""
    uploads = (home / "volumes").absolute()  # whose names say what is in them
    states = sorted(file.name if file.parent == uploads else _state(file) for file in files)
    return hashlib.sha256("\n".join(states).encode(errors="surrogateescape")).hexdigest()[:16]


def note_digest(folder: Path, digest: str) -> None:
    """Keep in a job's folder the digest of what it reads, where there is one."""
    if digest:
        write_json(folder / FILE, {"digest": digest}, durable=False)


def noted_digest(folder: Path) -> str:
    """The digest of what a job reads; "" where no batch noted it."""
    return str(read_json(folder / FILE)["digest"]) if (folder / FILE).is_file() else ""


def _tables(data: DataSpec) -> Iterator[Path]:
    """The table, or those of dataset specs and their lists of splits."""
    if data.path and Path(data.path).is_file():
        yield Path(data.path).absolute()
    for one in map(DatasetSpec.from_dict, data.sets):
        root, split = Path(one.root).absolute(), one.split_rule
        yield from (table_path(root, ref) for ref in one.table_refs)
        if split and not split.place:
            yield from (root / name for names in split.parts.values() for name in names)


def _files(entry: Entry) -> Iterator[Path]:
    """Those of an image, its label map and its further channels; of a folder with a series all that lie in it."""
    for path in (*(entry.files or (entry.image,)), *([entry.mask] if entry.mask else ())):
        yield from files_of(split_choice(path.absolute())[0])
    for channel in entry.further:
        yield from _files(channel)


def _state(file: Path) -> str:
    try:
        known = file.stat()
    except OSError:  # the job leaves it out, or says so
        return f"{file}|missing"
    return f"{file}|{known.st_size}|{known.st_mtime_ns}"
