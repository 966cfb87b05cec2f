"""Runs of comparisons that an earlier MedSSL left unfinished or finished, made ordinary jobs in place.

Layout 1 (`run.json` names no layout): the specification stands in `run.json` and the reason of a failure in `failed.json`;
there is neither spec.json nor status.json. Layout 2: the run is a job of `medssl.jobs`; `run.json` holds only the digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medssl.core.files import read_json, write_json
from medssl.core.protocol import FAILED, FINISHED, QUEUED, JobStatus, to_json

LAYOUT = 2


def upgrade_runs(comparison: Path) -> None:
    """Bring every run of the comparison's folder to the layout of today; what is in it already stays as it is."""
    for file in sorted(comparison.glob("runs/*/*/*/run.json")):
        noted = read_json(file)
        if noted.get("layout", 1) < LAYOUT:
            _upgrade(file.parent, noted)


def _upgrade(folder: Path, noted: dict[str, Any]) -> None:
    """`run.json` is replaced last: after a crash in between, all of it is done again."""
    write_json(folder / "spec.json", noted["spec"])
    write_json(folder / "status.json", to_json(_status(folder)))
    write_json(folder / "run.json", {"layout": LAYOUT, "digest": noted["digest"]})
    for name in ("failed.json", "run.lock"):
        (folder / name).unlink(missing_ok=True)


def _status(folder: Path) -> JobStatus:
    done, failed = folder / "done.json", folder / "failed.json"
    if done.is_file():
        ended = done.stat().st_mtime
        return JobStatus(FINISHED, progress=1.0, started=ended - read_json(done)["seconds"], ended=ended)
    if failed.is_file():
        reason = read_json(failed)
        error = {"type": reason.get("type", ""), "value": "run", "rule": "failed", "message": reason["error"]}
        return JobStatus(FAILED, ended=failed.stat().st_mtime, error=error)
    return JobStatus(QUEUED)  # without a process: it reads as interrupted
