"""The job kinds "finetune" and "probe": from a job's spec to a model, its evaluation and a report."""

from __future__ import annotations

from typing import Any

from medssl.core.protocol import JobSpec
from medssl.core.registry import config_class, implementation
from medssl.core.run import Run
from medssl.core.schema import build
from medssl.tasks import TASKS


def finetune(spec: JobSpec, run: Run) -> None:
    """Run a task as a job; see `run_task`."""
    run_task(spec, run)


def run_task(spec: JobSpec, run: Run) -> dict[str, Any]:
    """Run the task `spec.method` in `run.folder`; goes on from its checkpoints where `run.resume` says so.

    Returns:
        {"test": {metric: value}, "validation": {metric: value}}; "test" is empty where there are no test images.

    Raises:
        MedSSLError: what is wrong with data, labels, weights or settings.
        CancelledError: a cancel was asked for.
    """
    config = build(config_class(TASKS, spec.method, "task"), spec.config)
    for folder in ("results", "checkpoints"):
        (run.folder / folder).mkdir(parents=True, exist_ok=True)
    return implementation(TASKS, spec.method, "task")(spec, config, run)
