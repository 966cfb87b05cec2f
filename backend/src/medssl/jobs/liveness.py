"""Is a job's process alive? The lock on its folder says so: the system frees it however the process ends."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

SILENT_S = 60.0  # a heartbeat older than this means dead, on another host
STARTING_S = 30.0  # how long a new child may take until it holds its lock
LOOKS = 3


def alive_lock(folder: Path) -> FileLock:
    """The lock that a job's process holds for life."""
    return FileLock(folder / "alive.lock", thread_local=False)


def is_alive(folder: Path, pid: int) -> bool:
    """Whether some process holds the job's lock.

    A look takes the lock for a moment itself, so two readers can disturb each other: where the process of
    `pid` is gone, look again before believing a held lock.
    """
    if not (folder / "alive.lock").exists():
        return False
    for _ in range(LOOKS):
        lock = alive_lock(folder)
        try:
            with lock.acquire(timeout=0):
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
