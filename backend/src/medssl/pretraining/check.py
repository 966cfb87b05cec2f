"""Can a pretraining run as it is specified? Asked before a job is made, without importing torch."""

from __future__ import annotations

import dataclasses

from medssl.core.protocol import JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build_asked
from medssl.datasets.submitted_sets import with_complete_sets
from medssl.pretraining import METHODS
from medssl.pretraining.kind_of_data import check_kind_of_data


def check_pretrain(spec: JobSpec) -> JobSpec:
    """The specification with every setting of its method.

    Raises:
        NotFoundError: an unknown method. ConfigError: a setting that is unknown or out of range.
        InputError: the method trains on another sort of data. CatalogError: a dataset spec that cannot be used.
    """
    config = config_class(METHODS, spec.method)
    check_kind_of_data(spec.method, spec.data)
    return dataclasses.replace(
        spec, config=as_dict(build_asked(config, spec.config)), data=with_complete_sets(spec.data)
    )
