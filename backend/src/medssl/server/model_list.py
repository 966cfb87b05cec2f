"""Which models can be used here: read from file headers, without torch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medssl.core.errors import MedSSLError, WeightsError, printable
from medssl.core.files import read_json
from medssl.core.plan import Plan, read_plan
from medssl.core.protocol import FINISHED
from medssl.jobs.models.packaged_weights import PACKAGES, PREFIX, packaged_weights
from medssl.jobs.store import JobStore
from medssl.tasks.described import abilities

RESULT, EVALUATION = "results/model.safetensors", "evaluation.json"  # the second lies beside the first
WEIGHT_FILES = (".safetensors", ".pt", ".pth", ".ckpt", ".tar")


def list_models(store: JobStore) -> list[dict[str, Any]]:
    """Finished jobs' models, newest first, weight files below `<home>/models`, then those that installed packages ship.

    Returns:
        Dicts with model (job id, path or `imagenet:NAME`), name, method, plan, can, created and measured. Plan (a dict) and can (what
        the model can be asked for, see `abilities`) are None for a foreign file: only opening it would tell. Measured
        (headline, part, patients) is what its job's evaluation found, None where there was none. A file that cannot be
        read has the reason in damaged, and `can` names nothing, so that no client offers it for anything.
    """
    jobs = [
        _entry(view.id, view.spec.name or view.id, store.jobs / view.id / RESULT)
        for view in store.list()
        if view.status.state == FINISHED and RESULT in view.files
    ]
    folder = store.home / "models"
    files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHT_FILES) if folder.is_dir() else []
    return [*jobs, *(_entry(str(path), path.name, path) for path in files), *_packaged()]


def _packaged() -> list[dict[str, Any]]:
    found = []
    for name, weights in PACKAGES.items():
        with suppress(WeightsError):  # not installed
            packaged_weights(PREFIX + name)
            found.append({**_unknown(PREFIX + name, weights.title), "can": abilities(Plan(weights.method, {}))})
    return found


def _unknown(model: str, name: str) -> dict[str, Any]:
    return dict(model=model, name=name, method="", plan=None, can=None, created=0.0, measured=None, damaged="")


def _entry(model: str, name: str, path: Path) -> dict[str, Any]:
    """A model as it is listed, whatever lies at its path.

    A file from elsewhere is a border like a process: it may be a folder, a link to nowhere, JSON of any depth or type.
    """
    found = _unknown(printable(model), printable(name))
    try:
        found["created"] = path.lstat().st_mtime
        if not path.is_file():
            raise OSError("it is no file" if path.exists() else "the link leads nowhere")
        if printable(str(path)) != str(path):
            raise OSError("its name is no text")
        if path.suffix == ".safetensors" and (plan := read_plan(path)):
            found |= dict(method=plan.method, plan=asdict(plan), can=abilities(plan))
        found["measured"] = _measured(path)
    except Exception as error:
        reason = error.rule if isinstance(error, MedSSLError) else " ".join(str(error).split())[:200]
        found |= dict(plan=None, can=(), damaged=printable(reason or type(error).__name__))
    return found


def _measured(path: Path) -> dict[str, Any] | None:
    """The headline of the evaluation that lies beside a job's model; None where there is none, or none that can be read."""
    file = path.with_name(EVALUATION)
    if path.name != Path(RESULT).name or not file.is_file():
        return None
    try:
        found = read_json(file)
        return {name: found.get(name) for name in ("headline", "part", "patients")}
    except (OSError, ValueError, AttributeError):
        return None
