"""Is a job specification one that can run? Asked before a folder is made, without importing torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from medssl.errors import InputError
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
        ConfigError: a setting that is unknown or out of range.
        NotFoundError: an unknown method.
    """
    table = load(kinds)
    if spec.kind not in table:
        raise InputError(f"job kind {spec.kind!r}", "is unknown", f"Use one of {', '.join(table)}")
    if not DEVICE.fullmatch(spec.device):
        raise InputError(f"device {spec.device!r}", "is not a device", "Use auto, cpu, cuda, cuda:1 or mps")
    config = build(config_class(METHODS, spec.method), spec.config)
    start_from = _absolute(spec.start_from)
    return dataclasses.replace(
        spec, config=as_dict(config), data=_with_absolute_paths(spec.data), start_from=start_from
    )


def _with_absolute_paths(data: DataSpec) -> DataSpec:
    volumes = tuple(dataclasses.replace(ref, path=_absolute(ref.path)) for ref in data.volumes)
    return dataclasses.replace(data, path=_absolute(data.path), volumes=volumes)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""
