"""The folder of one run of a comparison: an ordinary job, and beside it what the comparison notes.

`run.json` says which run it is, by a digest of all that its result depends on. `done.json`, written last, holds what the
comparison needs of a finished run, so that its tables need not read events.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medssl.core.errors import CancelledError, ResourceError, TrainingError, from_dict, translate
from medssl.core.files import read_json, write_json
from medssl.core.protocol import FAILED, FINISHED, QUEUED, JobSpec, JobStatus, to_json
from medssl.jobs.record import StatusFile, end_for
from medssl.jobs.store import JobStore
from medssl.studies.comparison.old_layout import LAYOUT

RUN, DONE = "run.json", "done.json"
OUT_OF_MEMORY = translate(MemoryError(), "").value
KILLED = TrainingError(
    "process of the run",
    "was ended from outside, as the system does where memory is used up",
    "Its log has the details",
)


class RunFolder:
    """One run as a job: the jobs of one arm at one size lie side by side, and each is called as its seed."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.job = folder, folder.name
        self.store = JobStore(home, jobs=folder.parent)

    def prepare(self, spec: JobSpec, digest: str) -> bool:
        """Make the job, or get that of an earlier attempt ready to go on; what lies there of another run is removed.

        Returns:
            Whether there is something left to do.
        """
        if digest_of(self.folder) != digest:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.store.create(spec, self.job)
            write_json(self.folder / RUN, {"layout": LAYOUT, "digest": digest}, durable=False)
            return True
        if self.store.status(self.job).state == FINISHED:  # the comparison ended before it could note this
            return False
        write_json(self.folder / "spec.json", to_json(spec), durable=False)
        (self.folder / "cancel").unlink(missing_ok=True)
        StatusFile(self.folder).change(state=QUEUED, message="", pid=0, pid_started=0.0, error=None, ended=0.0)
        return True

    def settle(self, keep_model: bool, cancelled: Callable[[], bool]) -> dict[str, str] | None:
        """Note how the run ended.

        Returns:
            Why it failed (type, value, rule, remedy, message); None where it is finished.

        Raises:
            CancelledError: a cancel was asked for; the run goes on from its checkpoint later.
            ResourceError: a full disk, say, which further runs would meet too.
        """
        status = self.store.status(self.job)
        if status.state == FINISHED:
            self._note_result(status)
            tidy(self.folder, keep_model)
            return None
        if status.state != FAILED:
            if cancelled():
                raise CancelledError()
            self.fail(KILLED.as_dict())  # one that somebody cancelled by itself keeps its end
            return KILLED.as_dict()
        error = from_dict(status.error or {})
        if isinstance(error, ResourceError) and error.value != OUT_OF_MEMORY:
            raise error
        return status.error

    def fail(self, error: dict[str, str]) -> None:
        """Record why a run failed that has no process to say so."""
        end_for(self.folder, FAILED, error)

    def _note_result(self, status: JobStatus) -> None:
        last = self.store.last_events(self.job)
        about: dict[str, Any] = {}  # what the report repeats: parameters of the network, what the transfer said
        for type, field, name in (("started", "parameters", "parameters"), ("transfer", "text", "transfer")):
            if field in last.get(type, {}):
                about[name] = last[type][field]
        seconds = round(max(0.0, status.ended - status.started), 1)
        result = {part: last.get("evaluation", {}).get(part, {}) for part in ("test", "validation")}
        write_json(self.folder / DONE, {"digest": digest_of(self.folder), "seconds": seconds, "about": about, **result})


def digest_of(folder: Path) -> str:
    """Which run the folder belongs to; "" where it belongs to none."""
    file = folder / RUN
    return read_json(file)["digest"] if file.is_file() else ""


def read_done(folder: Path) -> dict[str, Any] | None:
    """What was noted of a finished run: digest, seconds, about, test, validation."""
    file = folder / DONE
    return read_json(file) if file.is_file() else None


def read_failure(folder: Path) -> dict[str, Any] | None:
    """Why a run failed: digest and error."""
    file = folder / "status.json"
    status = read_json(file) if file.is_file() else {}
    if status.get("state") != FAILED:
        return None
    return {"digest": digest_of(folder), "error": (status.get("error") or {}).get("message", "")}


def tidy(folder: Path, keep_model: bool) -> None:
    """A finished run needs no checkpoints; its weights are kept where the study asks for it."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    if not keep_model:
        (folder / "results" / "model.safetensors").unlink(missing_ok=True)
