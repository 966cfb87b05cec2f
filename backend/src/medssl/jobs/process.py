"""Starting, following, cancelling and resuming jobs, by whoever watches them: panel, server, command line, other jobs.

Their processes (`medssl.jobs.child`) are detached: whoever started one may go away.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import Timeout

from medssl.core.errors import InputError, MedSSLError, StateError
from medssl.core.home import NEUTRAL_FOLDER
from medssl.core.protocol import (  # fmt: skip
    CANCELLED,
    END_STATES,
    INTERRUPTED,
    QUEUED,
    RESUMABLE_STATES,
    RUNNING,
    JobSpec,
    JobStatus,
    JobView,
)
from medssl.jobs.check import checked
from medssl.jobs.child import KINDS, Parent, gpu_count
from medssl.jobs.devices import claims
from medssl.jobs.liveness import check_locks, is_alive, started_at
from medssl.jobs.record import StatusFile, end_for
from medssl.jobs.store import JobStore

GRACE_S = 120.0  # how long a run may take to stop by itself: a checkpoint of several GB, a validation's next image
KILL_S = 3.0  # from terminate to kill
POLL_S = 0.3
LAUNCHED = (
    "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID",
    "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS",
)  # fmt: skip


def submit(store: JobStore, spec: JobSpec, kinds: str = KINDS) -> str:
    """Check the specification, make the job's folder, start its process; returns the id.

    Raises:
        InputError: see `medssl.jobs.check`; or a job for several machines.
        ResourceError: the disk is full or has no locks, or no such device is here.
    """
    complete = checked(spec, kinds, store.home)
    _check_one_machine(complete)
    claims(complete.device, gpu_count(complete))
    check_locks(store.home)
    job = store.create(complete)
    start(store, job, kinds)
    return job


def start(store: JobStore, job: str, kinds: str = KINDS, parent: Parent | None = None) -> None:
    """Start the job's process, detached; it queues for its device by itself.

    Args:
        parent: the job that starts this one and holds the device for it: the process then ends with the caller's.

    Raises:
        NotFoundError: no such job.
    """
    folder = store.folder(job)
    # pid 0 and a fresh heartbeat: until the child holds its lock, readers take the job for queued.
    StatusFile(folder, store.clock).change(
        state=QUEUED, message="starting", pid=0, pid_started=0.0, error=None, ended=0.0
    )
    command = [sys.executable, "-m", "medssl.jobs.child", str(folder.absolute()), "--kinds", kinds]
    if parent:
        command += ["--parent", str(parent.folder.absolute()), "--device", parent.device]
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=NEUTRAL_FOLDER,
            env=_environment(),
            **detached(),
        )
    threading.Thread(target=child.wait, daemon=True).start()  # no zombie, should the parent outlive it


def resume(store: JobStore, job: str, kinds: str = KINDS) -> None:
    """Go on with a cancelled, failed or interrupted job in the same folder.

    Raises:
        StateError: it is queued, running or finished.
        InputError: it is for several machines.
        ResourceError: the disk has no locks.
    """
    state = store.status(job).state
    if state not in RESUMABLE_STATES:
        raise StateError(
            f"job {job}",
            f"is {state} and cannot be resumed",
            "Only a cancelled, failed or interrupted job can",
            code="job-not-resumable",
        )
    _check_one_machine(store.spec(job))
    check_locks(store.home)
    (store.folder(job) / "cancel").unlink(missing_ok=True)
    start(store, job, kinds)


def cancel(store: JobStore, job: str, grace_s: float = GRACE_S) -> JobView:
    """Ask the job to stop, wait, and after the grace period end its processes by force; those of another machine go on.

    Raises:
        StateError: it has already ended.
    """
    store.request_cancel(job)
    enforce_cancel(store, job, grace_s)
    return store.view(job)


def enforce_cancel_beside(store: JobStore, job: str, grace_s: float = GRACE_S) -> None:
    """`enforce_cancel` in a thread of its own."""
    threading.Thread(target=enforce_cancel, args=(store, job, grace_s), name=f"cancel {job}", daemon=True).start()


def enforce_asked(store: JobStore, grace_s: float = GRACE_S) -> tuple[str, ...]:
    """Take over, in threads, the cancels that somebody asked for and then died; the grace period counts from the request."""
    asked = store.asked_to_cancel()
    for job in asked:
        with suppress(MedSSLError, OSError):  # it has just ended
            since = time.time() - (store.folder(job) / "cancel").stat().st_mtime
            enforce_cancel_beside(store, job, min(grace_s, max(0.0, grace_s - since)))
    return asked


def enforce_cancel(store: JobStore, job: str, grace_s: float = GRACE_S) -> None:
    """Wait for a job that was asked to stop; end its processes when it has not stopped in time, if they are here."""
    request, deadline = store.folder(job) / "cancel", time.monotonic() + grace_s
    while (status := store.status(job)).state not in (*END_STATES, INTERRUPTED) and time.monotonic() < deadline:
        time.sleep(min(POLL_S, grace_s))
    if status.state in END_STATES or not request.exists():  # it has stopped, and may have been resumed meanwhile
        return
    if runs_elsewhere(status):
        return
    folder = store.folder(job)
    _end_tree(folder, status)
    _record_cancelled(folder)


def runs_elsewhere(status: JobStatus) -> bool:
    """Whether the job's processes are those of another machine, which shares the home folder."""
    return status.host not in ("", socket.gethostname())


def follow(
    store: JobStore,
    job: str,
    after: int = 0,
    poll_s: float = POLL_S,
    on_status: Callable[[JobStatus], None] = lambda status: None,
) -> Iterator[dict[str, Any]]:
    """Yield the job's events as they come, until it has ended or was interrupted; `on_status` hears of every look at it."""
    while True:
        status = store.status(job)  # looked at before the events: none is missed
        over = status.state in (*END_STATES, INTERRUPTED)
        on_status(status)
        events, after = store.events(job, after)
        yield from events
        if events:
            continue
        if over:
            return
        time.sleep(poll_s)


def wait(
    store: JobStore,
    job: str,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    on_status: Callable[[JobStatus], None] = lambda status: None,
) -> JobView:
    """Follow the job to its end."""
    for event in follow(store, job, on_status=on_status):
        on_event(event)
    return store.view(job)


def wait_or_cancel(store: JobStore, job: str, cancelled: Callable[[], bool], poll_s: float = POLL_S) -> JobStatus:
    """Wait for a job that another one has started; a request to cancel is passed on to it."""
    asked = False
    while (status := store.status(job)).state in (QUEUED, RUNNING):
        if not asked and cancelled():
            with suppress(StateError):  # it has ended at this moment
                store.request_cancel(job)
            asked = True
        time.sleep(poll_s)
    return status


def detached() -> dict[str, Any]:
    """`Popen` arguments that let a child outlive its parent, its terminal and its signals."""
    if os.name == "nt":
        # A console of its own that is not shown: without any, each process that the child starts would open a window.
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}


def _environment() -> dict[str, str]:
    """The child leads its job: what a launcher or batch system gave this process as its rank is not meant for it."""
    kept = {name: value for name, value in os.environ.items() if name not in LAUNCHED}
    return {**kept, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def _check_one_machine(spec: JobSpec) -> None:
    nodes = int(spec.config.get("training", {}).get("nodes", 1))
    if nodes > 1:
        raise InputError(
            f"training.nodes = {nodes}",
            "cannot be started from one machine, whose processes would wait for the others",
            "Make the folder with `medssl pretrain --prepare` and run it on every machine with torchrun or srun",
            code="several-machines",
        )


def _end_tree(folder: Path, status: JobStatus) -> None:
    """Terminate, then kill the job's process with all its children, if it still is the process that was noted."""
    if not status.pid or not _is_noted(folder, status):
        return
    try:
        root = psutil.Process(status.pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for act in (psutil.Process.terminate, psutil.Process.kill):
        for process in tree:
            try:
                act(process)
            except psutil.NoSuchProcess:
                continue
        tree = psutil.wait_procs(tree, timeout=KILL_S)[1]


def _is_noted(folder: Path, status: JobStatus) -> bool:
    """Whether the noted process is the job's, and not a later one of the same pid.

    A step of the system's clock moves when all processes began; then the job's lock must be held, and by what was started
    over this folder.
    """
    if abs(started_at(status.pid) - status.pid_started) <= 1.0:
        return True
    try:
        words = psutil.Process(status.pid).cmdline()
    except psutil.Error:
        return False
    started = "medssl.jobs.child", folder.resolve()
    ours = any((module, Path(word).resolve()) == started for module, word in itertools.pairwise(words))
    return ours and is_alive(folder, status.pid)


def _record_cancelled(folder: Path) -> None:
    """Write the end that the killed process could not write."""
    try:
        end_for(folder, CANCELLED, patience_s=KILL_S)
    except Timeout as error:
        raise StateError(
            f"job {folder.name}", "does not stop", "End its process by hand and look at its log"
        ) from error
