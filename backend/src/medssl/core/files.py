"""Files that are either whole or not there, and paths that stay below their root. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from medssl.core.errors import FULL, InputError, NotFoundError, ResourceError, printable

T = TypeVar("T")

UMASK = os.umask(0)
os.umask(UMASK)  # there is no other way to ask
CHOICE = re.compile(r"(.+)#(\d+)")  # one volume of a file with several
LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes; beyond, looking for a file is an error of the system
REFUSED = (errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EPERM, errno.EIO, errno.ENODEV, errno.ENXIO,
           getattr(errno, "ESTALE", errno.EIO))  # missing, read-only, or a disk or share that is gone  # fmt: skip
SHARING_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # seconds; a virus scanner or a reader on Windows lets go soon


class Disk:
    """Every write of the house, so that tests can put a disk in its place that is full, slow, read-only or gone."""

    def write(self, file: BinaryIO, data: bytes) -> int:
        """Write some of the bytes, at least one; how many."""
        return file.write(data)

    def sync(self, file: BinaryIO) -> None:
        """Bring what was written to where a power cut leaves it."""
        file.flush()
        os.fsync(file.fileno())

    def replace(self, source: Path, target: Path) -> None:
        """Give a file its name, over one that has it."""
        os.replace(source, target)


DISK = Disk()


def write_atomic(path: Path, data: bytes, mode: int = 0o666 & ~UMASK, durable: bool = True) -> None:
    """Replace `path` by `data`: a reader sees the old bytes or the new ones, never a part, even after a power cut.

    `durable` False leaves out that last promise, which costs milliseconds: for what is easily made again.

    Raises:
        ResourceError: the disk is full, or the folder is missing or not writable.
    """
    with disk_errors(path):
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                DISK.write(file, data)
                if durable:
                    DISK.sync(file)
            os.chmod(temporary, mode)
            replace(Path(temporary), path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def append(file: BinaryIO, data: bytes, size: int) -> None:
    """Append to an unbuffered file of `size` bytes, all or nothing.

    Raises:
        ResourceError: the disk is full; what was written is taken back.
    """
    with disk_errors(Path(file.name)):
        try:
            written = 0
            while written < len(data):
                written += DISK.write(file, data[written:])
        except OSError:
            file.truncate(size)
            raise


def replace(source: Path, target: Path) -> None:
    """`os.replace`, repeated while Windows reports that somebody has one of the files open."""
    sharing(lambda: DISK.replace(source, target))


def sharing(action: Callable[[], T]) -> T:
    """Do `action`, again after short pauses where Windows refuses it because the file is open elsewhere."""
    for pause in SHARING_PAUSES if os.name == "nt" else ():
        try:
            return action()
        except PermissionError:
            time.sleep(pause)
    return action()


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a disk that is full, or a folder that is missing or not writable, into a `ResourceError` that names the file."""
    try:
        yield
    except ResourceError:
        raise
    except OSError as error:
        known = of_disk(error, path)
        if known is None:
            raise
        raise known from error


def of_disk(error: OSError, path: Path | None = None) -> ResourceError | None:
    """An error of a disk as users can read it; None of one that has another cause."""
    place = path or error.filename or "a file"
    if error.errno in REFUSED:
        return ResourceError(
            place, f"cannot be written ({error.strerror})", "Choose another folder", code="file-unwritable"
        )
    if error.errno in FULL:
        remedy = "Free some space (`medssl data purge` and `medssl jobs delete` do) and resume"
        return ResourceError(place, "cannot be written because the disk is full", remedy, code="disk-full")
    return None


def to_text(value: Any) -> str:
    """JSON that every reader accepts: NaN and infinities become null, array scalars numbers, paths text, half a character an escape."""
    return printable(json.dumps(_plain(value), allow_nan=False, ensure_ascii=False))


def write_json(path: Path, value: Any, mode: int = 0o666 & ~UMASK, durable: bool = True) -> None:
    """Write `value` as JSON, atomically; `durable` as in `write_atomic`.

    Raises:
        ResourceError: the disk is full.
    """
    write_atomic(path, to_text(value).encode(), mode, durable)


def read_json(path: Path) -> Any:
    """Read a JSON file that somebody may be replacing at this moment.

    Raises:
        ValueError: it is none, or brackets stand in brackets without end.
    """
    try:
        return json.loads(sharing(path.read_bytes))
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deep") from error


def inside(root: Path, name: str) -> Path:
    """The existing file `name` below `root`.

    Raises:
        NotFoundError: there is no such file, or the name leads out of the folder (`..`, absolute, a link).
    """
    missing = NotFoundError(f"file {name!r}", "is not there", "List the files first", code="file-not-found")
    if "\0" in name or "\\" in name or ":" in name:
        raise missing
    root = root.resolve()
    path = (root / name).resolve()
    if root not in path.parents or not path.is_file():
        raise missing
    return path


def split_choice(path: str | Path) -> tuple[Path, int | None]:
    """The file, and which of its volumes is meant: `scan.nii.gz#3` is the third of scan.nii.gz.

    A file that really has such a name is meant as a whole.
    """
    path = Path(path)
    match = CHOICE.fullmatch(path.name)
    if not match or path.exists():
        return path, None
    return path.with_name(match[1]), int(match[2])


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with the user's own folder for "~"; that of a user who is not known here stays as it is.

    Raises:
        InputError: no file system has such a path.
    """
    found = os.path.expanduser(path)
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in (found, *re.split(r"[/\\]", found))]
    if "\0" in found or sizes[0] > LONGEST_PATH or max(sizes[1:]) > LONGEST_NAME:
        raise InputError(
            f"path {found[:80]!r}", "is too long for a path, or holds a zero byte", "Check the path", code="not-a-path"
        )
    return Path(found)


def existing_path(path: str, error: type[InputError]) -> str:
    """The path made absolute ("" stays), for whoever reads it in another folder.

    Raises:
        InputError: of the given kind, where nothing is there.
    """
    if not path:
        return ""
    found = expanded(path).absolute()
    if not split_choice(found)[0].exists():
        remedy = "Check the path; it is read on the machine of the backend"
        raise error(found, "does not exist", remedy, code="file-not-found")
    return str(found)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return _plain(value.item())  # a NumPy or torch scalar
