"""Reading job folders: the folder is the truth, whoever wrote it and whether or not its process still lives."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medssl.core.errors import InputError, MedSSLError, NotFoundError, ResourceError, StateError, printable
from medssl.core.files import disk_errors, expanded, inside, read_json, sharing, write_json
from medssl.core.home import all_in_home, make_home
from medssl.core.protocol import (  # fmt: skip
    CANCELLED,
    END_STATES,
    FAILED,
    FINISHED,
    INTERRUPTED,
    QUEUED,
    RUNNING,
    JobSpec,
    JobStatus,
    JobView,
    from_json,
    spec_from_json,
    to_json,
)
from medssl.jobs.damaged import NEW, REMOVED, check_types, damaged, damaged_view, delete, event_of, refusing, sweep
from medssl.jobs.liveness import SILENT_S, STARTING_S, is_alive

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
PRIVATE = ("alive.lock", "cancel")
STATES = (QUEUED, RUNNING, FINISHED, FAILED, CANCELLED, INTERRUPTED)
EVENTS_AT_ONCE = 5000

Events = list[dict[str, Any]]


def model_of_job(home: Path, reference: str) -> Path | None:
    """The trained weights of the job with this id, or of the finished job with this name; None where there are none.

    Raises:
        InputError: a name that several of them have.
    """
    path = _model(home, reference)
    if SAFE_ID.fullmatch(reference) and path.is_file():
        return path
    if not reference or expanded(reference).exists():  # a file's path is no name
        return None
    named = [job for job in sorted(_names(home / "jobs"), reverse=True) if _is_named(home, job, reference)]
    if len(named) > 1:
        rule = f"is the name of {len(named)} finished jobs: {', '.join(named)}"
        raise InputError(
            f"model {reference!r}", rule, "Give the id of one of them, the newest stands first", code="model-ambiguous"
        )
    return _model(home, named[0]) if named else None


def _model(home: Path, job: str) -> Path:
    return home / "jobs" / job / "results" / "model.safetensors"


def _is_named(home: Path, job: str, name: str) -> bool:
    """Is this the name of a finished job with a model?"""
    if not _model(home, job).is_file():
        return False
    try:
        spec, status = (read_json(home / "jobs" / job / file) for file in ("spec.json", "status.json"))
        return spec.get("name") == name and status.get("state") == FINISHED
    except (OSError, ValueError, AttributeError):  # removed meanwhile, or not written by us
        return False


class JobStore:
    """The jobs below one folder, a folder each.

    Attributes:
        home: the home folder.
        jobs: where the jobs lie: `<home>/jobs`, or a folder inside a job that starts others.
    """

    def __init__(self, home: Path, clock: Callable[[], float] = time.time, jobs: Path | None = None) -> None:
        self.home, self.jobs, self.clock = Path(home), jobs or Path(home) / "jobs", clock
        self._ends: dict[str, tuple[int, int]] = {}  # id -> (complete events, bytes) read so far

    def create(self, spec: JobSpec, job: str = "") -> str:
        """Make the folder of a new job and return its id, e.g. `20261123-004501-genesis-x7k2` (UTC; sorts by time).

        Raises:
            ResourceError: the disk is full.
        """
        now = self.clock()
        job = job or _new_id(spec, now)
        made = self.jobs / f"{NEW}{job}"  # under another name until complete: a listing never meets half a job
        with disk_errors(self.jobs / job):
            make_home(self.home)
            shutil.rmtree(made, ignore_errors=True)  # of an attempt that was killed, where the id is given
            try:
                (made / "results").mkdir(parents=True)
                (made / "checkpoints").mkdir()
                status = JobStatus(QUEUED, host=socket.gethostname(), created=now, heartbeat=now)
                write_json(made / "spec.json", to_json(spec))
                write_json(made / "status.json", to_json(status))
                os.rename(made, self.jobs / job)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
        return job

    def folder(self, job: str) -> Path:
        """The folder of a job.

        Raises:
            NotFoundError: no such job.
            StateError: what bears its name is no job folder.
        """
        folder = self._place(job)
        if not (folder / "spec.json").is_file():
            raise damaged(job, "spec.json is missing" if folder.is_dir() else "it is no folder")
        return folder

    def _place(self, job: str) -> Path:
        """What bears the job's name, whatever it is.

        Raises:
            NotFoundError: nothing does.
        """
        if not SAFE_ID.fullmatch(job) or not os.path.lexists(self.jobs / job):
            raise NotFoundError(f"job {job!r}", "does not exist", "See `medssl jobs list`", code="job-not-found")
        return self.jobs / job

    def spec(self, job: str) -> JobSpec:
        """What the job was asked to do.

        Raises:
            StateError: its file cannot be read. InputError: it is of a later version.
        """
        folder = self.folder(job)
        with refusing(job):
            spec = spec_from_json(all_in_home(read_json(folder / "spec.json"), self.home))
            check_types(spec)
            return spec

    def status(self, job: str) -> JobStatus:
        """The status with its true state: a job that should be alive but is not reads as interrupted.

        Raises:
            StateError: its file cannot be read.
        """
        folder = self.folder(job)
        status = _read_status(folder)
        with refusing(job):
            if status.state in END_STATES or self._lives(folder, status):
                return status
        status = _read_status(folder)  # it may have ended between the two looks
        return status if status.state in END_STATES else dataclasses.replace(status, state=INTERRUPTED)

    def view(self, job: str) -> JobView:
        """The job as HTTP, client and CLI show it; one that cannot be read as failed, with the reason.

        Raises:
            NotFoundError: no such job.
        """
        spec = status = None
        try:
            folder = self.folder(job)
            status = self.status(job)
            spec = self.spec(job)
            with refusing(job):
                return JobView(job, spec, status, self._read(job, 10**18)[1], _files(folder))
        except NotFoundError:
            raise
        except MedSSLError as error:
            lives = status is not None and status.state in (QUEUED, RUNNING)
            return damaged_view(job, self._place(job), error, spec, status if lives else None)

    def list(self) -> list[JobView]:
        """All jobs, newest first; those that this version cannot read too, see `view`."""
        sweep(self.jobs, self.clock())
        views = []
        for job in sorted(_names(self.jobs), reverse=True):
            try:
                views.append(self.view(job))
            except NotFoundError:
                continue  # removed meanwhile
        return views

    def events(self, job: str, after: int = 0) -> tuple[Events, int]:
        """The events from number `after` on (several thousand at most), and the `after` of the next call."""
        return self._read(job, max(0, after))

    def last_events(self, job: str) -> dict[str, dict[str, Any]]:
        """The last event of each type."""
        last: dict[str, dict[str, Any]] = {}
        events, after = self.events(job)
        while events:
            last |= {event["type"]: event for event in events}
            events, after = self.events(job, after)
        return last

    def file(self, job: str, name: str) -> Path:
        """A file of the job, by its name below the job folder.

        Raises:
            NotFoundError: no such job or file, or a name that leads out of the folder.
        """
        path = inside(self.folder(job), name)
        if path.name in PRIVATE:
            raise NotFoundError(f"file {name!r}", "is not there", "List the files first", code="file-not-found")
        return path

    def request_cancel(self, job: str) -> None:
        """Ask a queued or running job to stop.

        Raises:
            StateError: it has already ended.
        """
        folder, state = self.folder(job), self.status(job).state
        if state not in (QUEUED, RUNNING):
            raise StateError(
                f"job {job}", f"is {state}, so there is nothing to cancel", "Refresh the list of jobs", code="job-ended"
            )
        (folder / "cancel").touch()

    def asked_to_cancel(self) -> tuple[str, ...]:
        """Jobs of this machine that were asked to stop and have neither done so nor been ended by force."""
        asked = [job for job in _names(self.jobs) if (self.jobs / job / "cancel").exists()]
        here = socket.gethostname()
        found: tuple[str, ...] = ()
        for job in asked:
            with contextlib.suppress(
                MedSSLError, ValueError, TypeError, OSError
            ):  # damaged: it is no process's any more
                status = self.status(job)
                found += (job,) if status.state not in END_STATES and status.host in ("", here) else ()
        return found

    def remove(self, job: str) -> None:
        """Delete a job with everything it made.

        Raises:
            StateError: it is queued or running.
            ResourceError: one of its files is open elsewhere (Windows).
        """
        folder, state = self._place(job), self._state(job)
        if state in (QUEUED, RUNNING):
            raise StateError(f"job {job}", f"is {state} and cannot be removed", "Cancel it first", code="job-active")
        doomed = self.jobs / f"{REMOVED}{job}"
        try:
            sharing(lambda: os.rename(folder, doomed))
        except PermissionError as error:
            raise ResourceError(folder, "is in use by another program", "Close it and try again") from error
        except OSError as error:
            raise ResourceError(
                folder, f"cannot be removed ({error.strerror})", "Make it writable", code="file-unwritable"
            ) from error
        self._ends.pop(job, None)
        delete(doomed)

    def _state(self, job: str) -> str:
        """The state as far as removing is concerned: what cannot be read runs where a process holds its lock."""
        try:
            return self.status(job).state
        except StateError:
            with contextlib.suppress(ResourceError):  # without locks no process was let into it
                return RUNNING if is_alive(self.jobs / job, 0) else FAILED
            return FAILED

    def _lives(self, folder: Path, status: JobStatus) -> bool:
        quiet = self.clock() - status.heartbeat
        if status.host and status.host != socket.gethostname():
            return quiet < SILENT_S
        try:  # a child that was just started has neither its lock nor its pid yet
            return is_alive(folder, status.pid) or (status.pid == 0 and quiet < STARTING_S)
        except ResourceError:  # a disk that was mounted without locks meanwhile: as on another host
            return quiet < SILENT_S

    def _read(self, job: str, after: int) -> tuple[Events, int]:
        """Read events forward, starting from where the last reader stopped if that helps."""
        path = self.folder(job) / "events.jsonl"
        number, offset = self._ends.get(job, (0, 0))
        if number > after:
            number, offset = 0, 0
        found: Events = []
        if path.is_file():
            with path.open("rb") as file:
                file.seek(offset)
                for line in file:
                    if not line.endswith(b"\n") or len(found) == EVENTS_AT_ONCE:
                        break  # a torn line is not an event
                    if number >= after:
                        found.append(event_of(number, line))
                    number, offset = number + 1, offset + len(line)
        self._ends[job] = (number, offset)
        return found, number


def _new_id(spec: JobSpec, now: float) -> str:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    method = re.sub(r"[^A-Za-z0-9_]", "_", spec.method)[:40]
    return f"{stamp}-{method}-{secrets.token_hex(2)}"


def _read_status(folder: Path) -> JobStatus:
    with refusing(folder.name):
        try:
            status = from_json(JobStatus, read_json(folder / "status.json"))
        except InputError as error:
            raise damaged(folder.name, f"status.json: {error.value} {error.rule}") from error
        check_types(status)
        if status.state not in STATES:
            raise ValueError(f"status.json says {status.state!r}")
        return status


def _names(jobs: Path) -> list[str]:
    return [entry.name for entry in jobs.iterdir() if SAFE_ID.fullmatch(entry.name)] if jobs.is_dir() else []


def _files(folder: Path) -> tuple[str, ...]:
    """Files that can be fetched by their names, which must be text to travel."""
    return tuple(
        sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.name not in PRIVATE
            and not path.name.startswith(".")
            and path.is_file()
            and not path.is_symlink()
            and printable(str(path)) == str(path)
        )
    )
