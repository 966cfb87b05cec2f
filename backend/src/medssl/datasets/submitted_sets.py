"""The dataset specs of a job that is submitted: what can be found wrong before the job is made, without reading a table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.core.files import existing_path, expanded
from medssl.core.protocol import DataSpec
from medssl.datasets.spec.spec import DatasetSpec, check_names
from medssl.datasets.spec.table_stream import table_path


def with_complete_sets(data: DataSpec) -> DataSpec:
    """The data with every key of its dataset specs and with absolute roots; their rows are read by the job.

    Raises:
        CatalogError: a spec that breaks a rule, a root or a table that is not there, two sets of one name.
    """
    dataset_specs = [DatasetSpec.from_dict(one) for one in data.sets]
    check_names(dataset_specs)
    for one in dataset_specs:
        if not one.root:
            raise CatalogError(
                f"set {one.name}: root", "is missing", "Name the folder that holds the set", code="root-missing"
            )
        root = Path(existing_path(one.root, CatalogError))
        for ref in one.table_refs:
            table_path(root, ref)
    complete = ({**one.as_dict(), "root": str(expanded(one.root).absolute())} for one in dataset_specs)
    return dataclasses.replace(data, sets=tuple(complete))
