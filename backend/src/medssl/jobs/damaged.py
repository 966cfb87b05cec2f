"""Job folders that cannot be read: listed with the reason, so that they can be removed, and no listing stops at one."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from medssl.core.errors import MedSSLError, StateError
from medssl.core.protocol import FAILED, WARNING, DataSpec, JobSpec, JobStatus, JobView

DAMAGED = "damaged"  # the kind and the method of a job whose specification cannot be read
CODE = "job-damaged"
NEW, REMOVED = ".new-", ".removed-"  # prefixes of folders that are being made and removed
LONG_S = 3600.0  # after which a folder that is being made is taken for left by a killed process


@contextmanager
def refusing(job: str) -> Iterator[None]:
    """Any error over the files of a job folder becomes one of ours.

    What lies there may come from another version, a full disk, a copy that stopped, or somebody: JSON of any depth and any
    type, a folder where a file should be, a link to nowhere. A list of kinds was never complete, and such a folder is a
    border like a process.

    Raises:
        StateError: names the job and the reason.
    """
    try:
        yield
    except MedSSLError:
        raise
    except FileNotFoundError as error:
        raise damaged(job, f"{Path(error.filename or '').name or 'a file'} is missing") from error
    except Exception as error:
        raise damaged(job, " ".join(str(error).split())[:200] or type(error).__name__) from error


def check_types(value: Any) -> None:
    """Whether plain fields hold what they are for; `from_json` takes what stands in the file.

    Raises:
        ValueError: names the first field that does not.
    """
    kinds: dict[str, Any] = {
        "str": str,
        "int": int,
        "float": (int, float),
        "dict[str, Any]": dict,
        "DataSpec": DataSpec,
    }
    for field in dataclasses.fields(value):
        found = getattr(value, field.name)
        if not isinstance(found, kinds.get(str(field.type), object)):
            raise ValueError(f"{field.name} is {found!r}"[:100])


def damaged(job: str, reason: str) -> StateError:
    """The error of a job folder that cannot be read."""
    return StateError(
        f"job {job}", f"is damaged ({reason})", "Delete it with `medssl jobs delete`, or put its files back", code=CODE
    )


def damaged_view(
    job: str, place: Path, error: MedSSLError, spec: JobSpec | None = None, status: JobStatus | None = None
) -> JobView:
    """The job as lists show it: failed, with the reason as its error, and with what of it can be read.

    There is no further state or field, so that panels and clients of earlier versions show it too.
    """
    changed = 0.0
    with suppress(OSError):
        changed = place.lstat().st_mtime
    spec = spec or JobSpec(DAMAGED, DAMAGED, {}, DataSpec(path=str(place)))
    status = status or JobStatus(FAILED, created=changed, ended=changed)
    return JobView(job, spec, dataclasses.replace(status, error=error.as_dict()), 0, ())


def sweep(jobs: Path, now: float) -> None:
    """Remove what killed processes left of jobs that they were removing or making."""
    for left in jobs.iterdir() if jobs.is_dir() else ():
        with suppress(OSError):  # another process does the same
            old = now - left.lstat().st_mtime > LONG_S
            if left.name.startswith(REMOVED) or (left.name.startswith(NEW) and old):
                delete(left)


def event_of(number: int, line: bytes) -> dict[str, Any]:
    """An event as it was written; one that cannot be read as a warning in its place, so that the numbers stay."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if isinstance(event, dict) and isinstance(event.get("type"), str):
        return event
    message = f"Line {number + 1} of events.jsonl is damaged"
    return {"n": number, "time": 0.0, "type": WARNING, "code": "event-damaged", "message": message, "remedy": ""}


def delete(entry: Path) -> None:
    """Delete a folder with all that is in it, or a file, or a link but not what it leads to."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)  # what stays, the next listing removes
    else:
        entry.unlink(missing_ok=True)
