"""Processes that depend on another one and do not outlive it: further ranks of a job, and jobs that a job started."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from medssl.core.files import read_json
from medssl.core.protocol import CANCELLED, END_STATES, FINISHED, QUEUED, RUNNING, JobStatus, from_json

LOOK_S = 0.2
COMING_S = 60.0  # for the leader to take over the folder of an earlier attempt
LEAVING_S = 20.0  # for this process to end by itself after the leader
SILENT_S = 120.0  # without a heartbeat of the leader, it is dead; several minutes before a collective gives up


def wait_for_leader(folder: Path, coming_s: float = COMING_S) -> JobStatus | None:
    """The status once the job runs; None where it has ended, or nobody takes it up."""
    deadline = time.monotonic() + coming_s
    while (status := _read(folder)).state != RUNNING:
        if status.state in (FINISHED, CANCELLED) or time.monotonic() > deadline:
            return None
        if status.state == QUEUED:  # it has come, and waits for its device
            deadline = time.monotonic() + coming_s
        time.sleep(LOOK_S)
    return status


def watch_leader(folder: Path, leaving_s: float = LEAVING_S, silent_s: float = SILENT_S) -> None:
    """End this process when the leader has ended or gives no sign of life: alone it would wait in a collective."""
    threading.Thread(target=_watch, args=(folder, leaving_s, silent_s), name="leader", daemon=True).start()


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone: nobody else would, and another job may get the device."""
    lives = _parent()

    def watch() -> None:
        while lives():
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _parent() -> Callable[[], bool]:
    """Tells whether the process that started this one lives; not by when it began, which a step of the system's clock moves."""
    number = os.getppid()
    if os.name == "posix":  # an orphan gets another parent
        return lambda: os.getppid() == number
    try:
        return psutil.Process(number).is_running
    except psutil.NoSuchProcess:
        return lambda: False


def _watch(folder: Path, leaving_s: float, silent_s: float) -> None:
    heard, heartbeat, patience = time.monotonic(), 0.0, silent_s
    while time.monotonic() - heard < patience:
        time.sleep(LOOK_S * 5)
        try:
            status = _read(folder)
        except (OSError, ValueError):  # a network disk that stumbles; a job that was removed
            continue
        if status.state in END_STATES:
            patience = leaving_s
        elif status.heartbeat != heartbeat:  # only compared with itself: clocks of machines differ
            heard, heartbeat, patience = time.monotonic(), status.heartbeat, silent_s
    print(f"the process that leads {folder.name} is gone", file=sys.stderr, flush=True)
    os._exit(1)


def _read(folder: Path) -> JobStatus:
    return from_json(JobStatus, read_json(folder / "status.json"))
