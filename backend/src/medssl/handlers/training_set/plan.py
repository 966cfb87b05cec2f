"""How a task would be trained, before it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import ConfigError
from medssl.core.protocol import JobSpec
from medssl.core.registry import entry, load
from medssl.core.requests import PlanRequest
from medssl.handlers.context import Context
from medssl.inference.models import model_path
from medssl.jobs.devices import claims
from medssl.tasks import TASKS


def plan(request: PlanRequest, context: Context) -> None:
    """Answer with a row per decision; info: plan, fingerprint, text, notes, split.

    Raises:
        ConfigError: a task that is not planned, or a setting that is wrong.
        CatalogError, VolumeError, WeightsError, ResourceError: what the training would refuse.
    """
    task = entry(TASKS, request.task, "task")
    if not task.plan:
        planned = ", ".join(name for name, one in TASKS.items() if one.plan)
        raise ConfigError(
            f"task {request.task!r}", "is not planned from its data", f"Use {planned}", code="task-not-planned"
        )
    start_from = str(model_path(context.home, request.start_from)) if request.start_from else ""
    spec = JobSpec(task.kind, request.task, request.config, request.data, start_from=start_from)
    table, info = load(task.plan)(
        spec, _Looking(context, context.home, context.folder, claims(request.device)[0].device)
    )
    context.finish([], table, info)


@dataclass
class _Looking:
    """What reading the images needs of a job, over an inspection."""

    context: Context
    home: Path
    folder: Path
    device: str
    resume: bool = False

    def emit(self, type: str, **fields: Any) -> None:
        """Events of a job that is not there."""

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        self.context.progress(step / max(1, steps), message)

    def cancel_requested(self) -> bool:
        return False  # progress raises where the user asked to stop
