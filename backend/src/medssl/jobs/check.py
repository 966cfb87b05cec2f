"""Is a job specification one that can run? Asked before a folder is made, without importing torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from medssl.errors import CatalogError, InputError, WeightsError
from medssl.jobs.devices import DEVICE
from medssl.jobs.run import KINDS
from medssl.methods import METHODS
from medssl.protocol import DataSpec, JobSpec
from medssl.registry import config_class, load
from medssl.schema import as_dict, build


def checked(spec: JobSpec, kinds: str = KINDS) -> JobSpec:
    """The specification with its configuration complete and its paths absolute: the child runs in another folder.

    Raises:
        InputError: an unknown kind or device.
        CatalogError, WeightsError: a path that does not exist.
        ConfigError: a setting that is unknown or out of range.
        NotFoundError: an unknown method.
    """
    table = load(kinds)
    if spec.kind not in table:
        raise InputError(f"job kind {spec.kind!r}", "is unknown", f"Use one of {', '.join(table)}")
    if not DEVICE.fullmatch(spec.device):
        raise InputError(f"device {spec.device!r}", "is not a device", "Use auto, cpu, cuda, cuda:1 or mps")
    config = build(config_class(METHODS, spec.method), spec.config)
    start_from = _existing(spec.start_from, WeightsError)
    return dataclasses.replace(
        spec, config=as_dict(config), data=_with_absolute_paths(spec.data), start_from=start_from
    )


def _with_absolute_paths(data: DataSpec) -> DataSpec:
    volumes = tuple(dataclasses.replace(ref, path=_existing(ref.path, CatalogError)) for ref in data.volumes)
    return dataclasses.replace(data, path=_existing(data.path, CatalogError), volumes=volumes)


def _existing(path: str, error: type[InputError]) -> str:
    """The path made absolute ("" stays); what is missing is told now, not by a job that fails."""
    if not path:
        return ""
    found = Path(path).expanduser().absolute()
    if not found.exists():
        raise error(found, "does not exist", "Check the path; it is read on the machine of the backend")
    return str(found)
