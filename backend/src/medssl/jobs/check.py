"""Can a job run as it is specified? Asked before a folder is made, without importing torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from medssl.core.errors import CatalogError, InputError, NotFoundError, WeightsError
from medssl.core.files import existing_path, expanded, split_choice
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import load
from medssl.jobs.child import KINDS
from medssl.jobs.devices import DEVICE
from medssl.jobs.models.missing_model import missing_model
from medssl.jobs.models.packaged_weights import packaged_weights
from medssl.jobs.rounds import job_of_model, kept_patients
from medssl.jobs.store import JobStore, model_of_job


def checked(spec: JobSpec, kinds: str = KINDS, home: Path | None = None) -> JobSpec:
    """The specification with its configuration complete and its paths absolute: the job's process runs in another folder.

    `start_from` may be a finished job of `home`, or weights that a package ships; it becomes their path. What is true of one kind of job alone,
    its own check knows.

    Raises:
        InputError: an unknown kind or device, or a method that trains on another sort of data.
        CatalogError, WeightsError: a path that does not exist.
        ConfigError: a setting that is unknown or out of range.
        NotFoundError: an unknown method or task, or no fine-tuning whose validation cases could be kept.
    """
    table = load(kinds)
    if spec.kind not in table:
        raise InputError(
            f"job kind {spec.kind!r}", "is unknown", f"Use one of {', '.join(table)}", code="job-kind-unknown"
        )
    if not DEVICE.fullmatch(spec.device):
        raise InputError(
            f"device {spec.device!r}", "is not a device", "Use auto, cpu, cuda, cuda:1 or mps", code="device-unknown"
        )
    of_job = model_of_job(home, spec.start_from) if home else None
    known = of_job or packaged_weights(spec.start_from)
    if home and spec.start_from and not known and not split_choice(expanded(spec.start_from))[0].is_file():
        raise missing_model(home, spec.start_from, "weights to start from")
    start_from = str(known) if known else existing_path(spec.start_from, WeightsError)
    data = _with_absolute_paths(spec.data)
    if home and data.validation_of:
        data = dataclasses.replace(data, validation_of=_held_out_by(home, data.validation_of))
    complete = dataclasses.replace(spec, data=data, start_from=start_from)
    return load(table[spec.kind].check)(complete)


def _held_out_by(home: Path, reference: str) -> str:
    """The id of the fine-tuning whose validation cases are kept.

    Raises:
        NotFoundError: no such job, or it recorded none.
    """
    job = job_of_model(home, reference)
    if not job or not kept_patients(JobStore(home), job):
        raise NotFoundError(
            f"validation_of = {reference!r}", "is no fine-tuning with recorded validation cases",
            "Give the id of a finished fine-tuning, see `medssl jobs list`", code="round-not-found",
        )  # fmt: skip
    return job


def _with_absolute_paths(data: DataSpec) -> DataSpec:
    volumes = tuple(
        dataclasses.replace(
            ref, path=existing_path(ref.path, CatalogError), mask_path=existing_path(ref.mask_path, CatalogError)
        )
        for ref in data.volumes
    )
    return dataclasses.replace(data, path=existing_path(data.path, CatalogError), volumes=volumes)
