"""Runs of a study side by side: a process each, one at a time on every device."""

from __future__ import annotations

import argparse
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from medssl.core.errors import CancelledError, MedSSLError, TrainingError
from medssl.core.files import read_json
from medssl.core.home import NEUTRAL_FOLDER
from medssl.jobs.devices import claims, locked
from medssl.jobs.liveness import started_at
from medssl.studies.comparison.arm_run import DONE, FAILURE, REQUEST, fail, perform
from medssl.studies.comparison.plan import RunKey

LOOK_S = 0.2
CANCELLED_CODE, RESOURCE_CODE = 75, 74


@dataclass(frozen=True)
class Workplace:
    """What all runs of one study share."""

    home: Path
    folder: Path
    own_device: str  # whose lock the study's job holds
    cancelled: Callable[[], bool]
    run_task: str


def side_by_side(
    todo: Sequence[RunKey],
    devices: Sequence[str],
    place: Workplace,
    prepare: Callable[[RunKey, str], bool],
    keep_models: bool,
) -> Iterator[RunKey]:
    """Do the runs, the next one on whichever device is free; yields each as it ends.

    Raises:
        CancelledError: a cancel was asked for, and every process has ended.
        ResourceError: a device that is not there, a full disk.
    """
    waiting, ended = deque(todo), queue.Queue()  # type: ignore[var-annotated]
    stop = threading.Event()

    def cancelled() -> bool:
        return stop.is_set() or place.cancelled()

    def take() -> RunKey | None:
        try:
            return None if cancelled() else waiting.popleft()
        except IndexError:
            return None

    def work(device: str) -> None:
        try:
            with ExitStack() as held:
                if device != place.own_device:  # other jobs may use it for long: nothing waits for it when all is done
                    held.enter_context(locked(place.home, claims(device), lambda: cancelled() or not waiting))
                while key := take():
                    if prepare(key, device):
                        _run_child(key.folder(place.folder), device, place, cancelled, keep_models)
                    ended.put(key)
        except CancelledError:  # or nothing is left for this device
            pass
        except Exception as error:  # the thread's border: raised again where the results are collected
            ended.put(error)
        finally:
            ended.put(None)

    workers = [threading.Thread(target=work, args=(device,), name=device) for device in devices]
    try:
        for worker in workers:
            worker.start()
        yield from _collect(ended, len(workers))
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    if place.cancelled():
        raise CancelledError()


def _collect(ended: queue.Queue, workers: int) -> Iterator[RunKey]:
    while workers:
        found = ended.get()
        if found is None:
            workers -= 1
        elif isinstance(found, Exception):
            raise found
        else:
            yield found


def _run_child(folder: Path, device: str, place: Workplace, cancelled: Callable[[], bool], keep_models: bool) -> None:
    command = [
        sys.executable,
        "-m",
        "medssl.studies.comparison.children",
        str(folder),
        str(place.home),
        device,
        place.run_task,
    ]
    command += ["--keep-models"] if keep_models else []
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=NEUTRAL_FOLDER)
    asked = False
    while child.poll() is None:
        if cancelled() and not asked:
            child.terminate()  # it leaves a checkpoint
            asked = True
        time.sleep(LOOK_S)
    if asked:
        raise CancelledError()
    if child.returncode == RESOURCE_CODE:
        raise TrainingError(folder, "met a fault that every run would meet", "The log has the details")
    if not any((folder / name).is_file() for name in (DONE, FAILURE)):
        error = TrainingError(
            f"process of {folder.name}", f"ended with exit status {child.returncode}", "The log has the details"
        )
        fail(folder, read_json(folder / REQUEST)["digest"], error.as_dict())


def main(arguments: list[str] | None = None) -> int:
    """The child: `python -m medssl.studies.comparison.children FOLDER HOME DEVICE module:function [--keep-models]`."""
    parser = argparse.ArgumentParser(prog="medssl.studies.comparison.children")
    parser.add_argument("folder", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("device")
    parser.add_argument("run_task")
    parser.add_argument("--keep-models", action="store_true")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    _end_with(os.getppid())
    with FileLock(options.folder / "run.lock"):  # an orphan of an earlier attempt is about to end
        try:
            perform(
                options.folder, options.home, options.device, stopped.is_set, lambda step, steps: None,
                options.run_task, options.keep_models,
            )  # fmt: skip
        except CancelledError:
            return CANCELLED_CODE
        except MedSSLError as error:
            print(error, file=sys.stderr)
            return RESOURCE_CODE
    return 0


def _end_with(parent: int) -> None:
    """End this process when the study's is gone: nobody else would."""
    born = started_at(parent)

    def watch() -> None:
        while started_at(parent) == born:
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
