"""Can a task run as it is specified? Asked before a job is made, without importing torch."""

from __future__ import annotations

import dataclasses

from medssl.core.errors import ConfigError
from medssl.core.protocol import JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build_asked
from medssl.datasets.submitted_sets import with_complete_sets
from medssl.tasks import TASKS


def check_finetune(spec: JobSpec) -> JobSpec:
    """The specification with every setting of its task.

    Raises:
        NotFoundError: an unknown task. ConfigError: a setting that is unknown or out of range.
        CatalogError: a dataset spec that cannot be used.
    """
    config = as_dict(build_asked(config_class(TASKS, spec.method, "task"), spec.config))
    return dataclasses.replace(spec, config=config, data=with_complete_sets(spec.data))


def check_probe(spec: JobSpec) -> JobSpec:
    """As `check_finetune`.

    Raises:
        ConfigError: also where no model is named.
    """
    if not spec.start_from:
        raise ConfigError(
            "start_from", "is empty, and a probe needs a model", "Name the model to be probed", code="model-missing"
        )
    return check_finetune(spec)
