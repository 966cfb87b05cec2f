"""One run of a study, as the task sees it: a job in miniature, inside the study's job."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medssl.core.errors import CancelledError, ResourceError, translate
from medssl.core.files import read_json, write_json
from medssl.core.protocol import JobSpec, spec_from_json, to_json
from medssl.core.registry import load
from medssl.jobs.record import EventLog

REQUEST, DONE, FAILURE = "run.json", "done.json", "failed.json"

Told = Callable[[int, int], None]  # step, steps


class StudyRun:
    """The `training.run.Run` of one run: events go to its own folder, cancel requests come from the study."""

    def __init__(self, folder: Path, home: Path, device: str, cancelled: Callable[[], bool], told: Told) -> None:
        self.folder, self.home, self.device = folder, home, device
        self.resume = any((folder / "checkpoints").glob("*"))
        self.cancel_requested = cancelled
        self.about: dict[str, Any] = {}  # what the report repeats: parameters of the network, what the transfer said
        self._events, self._told = EventLog(folder / "events.jsonl"), told

    def emit(self, type: str, **fields: Any) -> None:
        """Append one event to the run's own events."""
        self._events.append(type, fields)
        told = {"started": {"parameters": "parameters"}, "transfer": {"text": "transfer"}}.get(type, {})
        self.about |= {name: fields[field] for field, name in told.items() if field in fields}

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        """Pass on how far the run is."""
        self._told(step, steps)

    def close(self) -> None:
        """Close the events' file."""
        self._events.close()


def request(folder: Path, spec: JobSpec, digest: str) -> None:
    """Note what the run is to do; what lies there of another request is removed."""
    known = folder / REQUEST
    if not known.is_file() or read_json(known)["digest"] != digest:
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("checkpoints", "results"):
            (folder / name).mkdir(parents=True)
    write_json(known, {"digest": digest, "spec": to_json(spec)}, durable=False)


def perform(
    folder: Path, home: Path, device: str, cancelled: Callable[[], bool], told: Told, run_task: str, keep_models: bool
) -> None:
    """Do the run that was requested in `folder`; it ends with done.json or failed.json.

    Raises:
        CancelledError: the study is to stop; the run goes on from its checkpoint later.
        ResourceError: a full disk, say, which further runs would meet too.
    """
    asked = read_json(folder / REQUEST)
    run, begin = StudyRun(folder, home, device, cancelled, told), time.monotonic()
    (folder / FAILURE).unlink(missing_ok=True)
    try:
        result = load(run_task)(spec_from_json(asked["spec"]), run)
    except (CancelledError, ResourceError):
        raise
    except Exception as error:  # the border between runs: one that fails says why, and the others go on
        traceback.print_exc()
        fail(folder, asked["digest"], translate(error, "the run").as_dict())
        return
    finally:
        run.close()
    end = {"digest": asked["digest"], "seconds": round(time.monotonic() - begin, 1), "about": run.about}
    write_json(folder / DONE, {**end, **{name: result[name] for name in ("test", "validation")}})
    tidy(folder, keep_models)


def fail(folder: Path, digest: str, error: dict[str, str]) -> None:
    """Record why a run failed."""
    write_json(folder / FAILURE, {"digest": digest, "error": error["message"], "type": error["type"]})


def tidy(folder: Path, keep_models: bool) -> None:
    """A finished run needs no checkpoints; its weights are kept where the study asks for it."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    if not keep_models:
        (folder / "results" / "model.safetensors").unlink(missing_ok=True)
