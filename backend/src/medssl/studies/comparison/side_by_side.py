"""Runs of a comparison side by side: one at a time on every device, each in a process of its own."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from medssl.core.errors import CancelledError
from medssl.core.run import Run
from medssl.jobs.devices import claims, locked
from medssl.studies.comparison.plan import RunKey

Perform = Callable[[RunKey, str, Callable[[], bool]], None]  # run, device, whether to stop


def side_by_side(todo: Sequence[RunKey], devices: Sequence[str], run: Run, perform: Perform) -> Iterator[RunKey]:
    """Do the runs, the next one on whichever device is free; yields each as it ends.

    Args:
        todo: in the order in which they begin.
        devices: of this machine; the comparison's job `run` holds the lock of one of them, the others are waited for.
        run: the comparison's.
        perform: does one run on one device and returns when it has ended.

    Raises:
        CancelledError: a cancel was asked for, and every process has ended.
        ResourceError: a device that is not there, a full disk.
    """
    waiting, ended = deque(todo), queue.Queue()  # type: ignore[var-annotated]
    stop = threading.Event()

    def cancelled() -> bool:
        return stop.is_set() or run.cancel_requested()

    def take() -> RunKey | None:
        try:
            return None if cancelled() else waiting.popleft()
        except IndexError:
            return None

    def work(device: str) -> None:
        try:
            with ExitStack() as held:
                if device != run.device:  # other jobs may use it for long: nothing waits for it when all is done
                    held.enter_context(locked(run.home, claims(device), lambda: cancelled() or not waiting))
                while key := take():
                    perform(key, device, cancelled)
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
    if run.cancel_requested():
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
