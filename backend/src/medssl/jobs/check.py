"""Is a job specification one that can run? Asked before a folder is made, without importing torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medssl.core.errors import CatalogError, ConfigError, InputError, WeightsError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import DATASET_SPECS, config_class, entry, load
from medssl.core.schema import as_dict, build
from medssl.datasets.spec.spec import DatasetSpec, check_names
from medssl.datasets.spec.table_stream import table_path
from medssl.jobs.child import KINDS
from medssl.jobs.devices import DEVICE
from medssl.jobs.store import model_of_job
from medssl.pretraining import METHODS
from medssl.tasks import TASKS

STUDIES = {  # their configuration is no fixed tree: each has a function of its own, (config: dict) -> dict
    "compare": "medssl.studies.comparison.config:check_study",
    "batch": "medssl.studies.batch.config:check_batch",
}


def checked(spec: JobSpec, kinds: str = KINDS, home: Path | None = None) -> JobSpec:
    """The specification with its configuration complete and its paths absolute: the child runs in another folder.

    `start_from` may be a finished job of `home`; it becomes the path of its model.

    Raises:
        InputError: an unknown kind or device, or a method that trains on another sort of data.
        CatalogError, WeightsError: a path that does not exist.
        ConfigError: a setting that is unknown or out of range.
        NotFoundError: an unknown method or task.
    """
    table = load(kinds)
    if spec.kind not in table:
        raise InputError(f"job kind {spec.kind!r}", "is unknown", f"Use one of {', '.join(table)}")
    if spec.kind == "pretrain":
        _check_sort_of_data(spec)
    if not DEVICE.fullmatch(spec.device):
        raise InputError(f"device {spec.device!r}", "is not a device", "Use auto, cpu, cuda, cuda:1 or mps")
    device = "none" if spec.kind == "batch" else spec.device  # what it starts waits for devices itself
    of_job = model_of_job(home, spec.start_from) if home else None
    start_from = str(of_job) if of_job else _existing(spec.start_from, WeightsError)
    return dataclasses.replace(
        spec, config=_config(spec), data=_with_absolute_paths(spec.data), start_from=start_from, device=device
    )


def _config(spec: JobSpec) -> dict[str, Any]:
    if spec.kind in STUDIES:
        return load(STUDIES[spec.kind])(spec.config)
    if spec.kind == "apply":
        settings = _complete(load("medssl.tasks.apply.config:ApplyConfig"), spec.config)
        output = settings["output"]
        return {**settings, "output": str(Path(output).expanduser().absolute()) if output else ""}
    if spec.kind in ("finetune", "probe"):
        if spec.kind == "probe" and not spec.start_from:
            raise ConfigError("start_from", "is empty, and a probe needs a model", "Name the model to be probed")
        return _complete(config_class(TASKS, spec.method, "task"), spec.config)
    return _complete(config_class(METHODS, spec.method), spec.config)


def _check_sort_of_data(spec: JobSpec) -> None:
    on_specs = entry(METHODS, spec.method).data == DATASET_SPECS
    if on_specs and not spec.data.sets:
        remedy = "Give some: medssl data declare makes one"
        raise InputError(f"method {spec.method!r}", "trains on dataset specs", remedy)
    if spec.data.sets and not on_specs:
        raise InputError(f"method {spec.method!r}", "does not train on dataset specs", "Give a folder or a catalogue")


def _complete(kind: Callable[..., Any], values: dict[str, Any]) -> dict[str, Any]:
    return as_dict(build(kind, values))


def _with_absolute_paths(data: DataSpec) -> DataSpec:
    volumes = tuple(
        dataclasses.replace(
            ref, path=_existing(ref.path, CatalogError), mask_path=_existing(ref.mask_path, CatalogError)
        )
        for ref in data.volumes
    )
    return dataclasses.replace(
        data, path=_existing(data.path, CatalogError), volumes=volumes, sets=_declared(data.sets)
    )


def _declared(sets: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Declarations, complete, whose roots and tables are there; their rows are read by the job."""
    dataset_specs = [DatasetSpec.from_dict(one) for one in sets]
    check_names(dataset_specs)
    for one in dataset_specs:
        if not one.root:
            raise CatalogError(f"set {one.name}: root", "is missing", "Name the folder that holds the set")
        root = Path(_existing(one.root, CatalogError))
        for ref in one.table_refs:
            table_path(root, ref)
    return tuple({**one.as_dict(), "root": str(Path(one.root).expanduser().absolute())} for one in dataset_specs)


def _existing(path: str, error: type[InputError]) -> str:
    """The path made absolute ("" stays); what is missing is told now, not by a job that fails."""
    if not path:
        return ""
    found = Path(path).expanduser().absolute()
    if not found.exists():
        raise error(found, "does not exist", "Check the path; it is read on the machine of the backend")
    return str(found)
