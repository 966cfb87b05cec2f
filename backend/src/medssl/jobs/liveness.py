"""Is a job's process alive? The lock on its folder says so: the system frees it however the process ends."""

from __future__ import annotations

import errno
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import psutil
from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from medssl.core.errors import ResourceError
from medssl.core.files import disk_errors
from medssl.core.home import make_home

SILENT_S = 60.0  # a heartbeat older than this means dead, on another host
STARTING_S = 30.0  # how long a new child may take until it holds its lock
LOOKS = 3
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", errno.EOPNOTSUPP))


def hold(lock: BaseFileLock, timeout: float) -> AbstractContextManager[object]:
    """Take a lock, which the end of the `with` over what is returned gives back.

    Args:
        timeout: seconds; below 0: without an end.

    Raises:
        filelock.Timeout: another one holds it.
        ResourceError: its file system has no locks.
    """
    try:
        held = lock.acquire(timeout=timeout)
    except (OSError, NotImplementedError) as error:  # the latter, and the soft lock, in the place of ENOSYS
        if isinstance(lock, SoftFileLock) or isinstance(error, NotImplementedError) or error.errno in NO_LOCKS:
            raise _without_locks(lock) from error
        raise
    if isinstance(lock, SoftFileLock):  # a file that is there or not: nobody frees it for a process that was killed
        lock.release()
        raise _without_locks(lock)
    return held


def check_locks(home: Path) -> None:
    """Whether the home folder's file system has locks, tried once.

    Raises:
        ResourceError: it has none, or cannot be written.
    """
    with disk_errors(home):
        (make_home(home) / "locks").mkdir(exist_ok=True)
        with suppress(Timeout), hold(FileLock(home / "locks" / "try.lock"), 0):
            pass


def _without_locks(lock: BaseFileLock) -> ResourceError:
    return ResourceError(
        f"home folder with {lock.lock_file}", "lies on a file system without locks",
        "Set MEDSSL_HOME to a folder on another disk, or mount this one with locks", code="no-file-locks",
    )  # fmt: skip


def alive_lock(folder: Path) -> FileLock:
    """The lock that a job's process holds for life."""
    return FileLock(folder / "alive.lock", thread_local=False)


def is_alive(folder: Path, pid: int) -> bool:
    """Whether some process holds the job's lock.

    A look takes the lock for a moment itself, so two readers can disturb each other: where the process of
    `pid` is gone, look again before believing a held lock.

    Raises:
        ResourceError: the file system has no locks.
    """
    if not (folder / "alive.lock").exists():
        return False
    for _ in range(LOOKS):
        try:
            with hold(alive_lock(folder), 0):
                pass
        except Timeout:
            if pid and psutil.pid_exists(pid):
                return True
            time.sleep(0.005)
        else:
            return False
    return True


def started_at(pid: int) -> float:
    """When the process began, in seconds since the epoch; with the pid this names it for good. 0.0: not there."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0
