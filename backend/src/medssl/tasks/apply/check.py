"""Can a model be applied as a job asks? Asked before the job is made, without importing torch."""

from __future__ import annotations

import dataclasses

from medssl.core.files import expanded
from medssl.core.protocol import JobSpec
from medssl.core.schema import as_dict, build
from medssl.datasets.submitted_sets import with_complete_sets
from medssl.tasks.apply.config import ApplyConfig


def check_apply(spec: JobSpec) -> JobSpec:
    """The specification with every setting and an absolute output: the job's process runs in another folder.

    Raises:
        ConfigError: a setting that is unknown or out of range. CatalogError: a dataset spec that cannot be used.
    """
    config = as_dict(build(ApplyConfig, spec.config))
    output = str(expanded(config["output"]).absolute()) if config["output"] else ""
    return dataclasses.replace(spec, config={**config, "output": output}, data=with_complete_sets(spec.data))
