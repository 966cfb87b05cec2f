"""Can a pretraining run as it is specified? Asked before a job is made, without importing torch."""

from __future__ import annotations

import dataclasses

from medssl.core.errors import InputError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import DATASET_SPECS, config_class, entry
from medssl.core.schema import as_dict, build
from medssl.datasets.submitted_sets import with_complete_sets
from medssl.pretraining import METHODS


def check_pretrain(spec: JobSpec) -> JobSpec:
    """The specification with every setting of its method.

    Raises:
        NotFoundError: an unknown method. ConfigError: a setting that is unknown or out of range.
        InputError: the method trains on another sort of data. CatalogError: a dataset spec that cannot be used.
    """
    config = config_class(METHODS, spec.method)
    check_sort_of_data(spec.method, spec.data)
    return dataclasses.replace(spec, config=as_dict(build(config, spec.config)), data=with_complete_sets(spec.data))


def check_sort_of_data(method: str, data: DataSpec) -> None:
    """Some methods train on datasets that are described by specs, the others on images alone.

    Raises:
        InputError: data of the other sort.
    """
    on_specs = entry(METHODS, method).data == DATASET_SPECS
    if on_specs and not data.sets:
        remedy = "Give some: medssl data declare makes one"
        raise InputError(f"method {method!r}", "trains on dataset specs", remedy)
    if data.sets and not on_specs:
        raise InputError(f"method {method!r}", "does not train on dataset specs", "Give a folder or a catalogue")
