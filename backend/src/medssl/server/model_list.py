"""Which models can be used here: read from file headers, without torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from medssl.core.errors import WeightsError
from medssl.core.files import read_json
from medssl.core.plan import read_plan
from medssl.core.protocol import FINISHED
from medssl.jobs.store import JobStore
from medssl.tasks.described import abilities

RESULT, EVALUATION = "results/model.safetensors", "evaluation.json"  # the second lies beside the first
WEIGHT_FILES = (".safetensors", ".pt", ".pth", ".ckpt", ".tar")


def list_models(store: JobStore) -> list[dict[str, Any]]:
    """Finished jobs' models, newest first, then weight files below `<home>/models`.

    Returns:
        Dicts with model (job id or path), name, method, plan, can, created and measured. Plan (a dict) and can (what
        the model can be asked for, see `abilities`) are None for a foreign file: only opening it would tell. Measured
        (headline, part, patients) is what its job's evaluation found, None where there was none.
    """
    jobs = [
        _entry(view.id, view.spec.name or view.id, store.jobs / view.id / RESULT)
        for view in store.list()
        if view.status.state == FINISHED and RESULT in view.files
    ]
    folder = store.home / "models"
    files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHT_FILES) if folder.is_dir() else []
    found = [*jobs, *(_entry(str(path), path.name, path) for path in files)]
    return [entry for entry in found if entry is not None]


def _entry(model: str, name: str, path: Path) -> dict[str, Any] | None:
    plan = None
    if path.suffix == ".safetensors":
        try:
            plan = read_plan(path)
        except WeightsError:
            return None  # `medssl weights inspect` says what is wrong with it
    method = plan.method if plan else ""
    return dict(
        model=model, name=name, method=method, plan=asdict(plan) if plan else None,
        can=abilities(plan) if plan else None, created=path.stat().st_mtime, measured=_measured(path),
    )  # fmt: skip


def _measured(path: Path) -> dict[str, Any] | None:
    """The headline of the evaluation that lies beside a job's model."""
    file = path.with_name(EVALUATION)
    if path.name != Path(RESULT).name or not file.is_file():
        return None
    found = read_json(file)
    return {name: found.get(name) for name in ("headline", "part", "patients")}
