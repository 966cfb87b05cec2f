"""What a method trains on, and what it was given. Standard library only."""

from __future__ import annotations

from medssl.core.errors import InputError
from medssl.core.protocol import DataSpec
from medssl.core.registry import DATASET_SPECS, entry
from medssl.pretraining import METHODS


def check_kind_of_data(method: str, data: DataSpec) -> None:
    """Some methods train on datasets that are described by specs, the others on images alone.

    Raises:
        InputError: data of the other sort.
    """
    on_specs = entry(METHODS, method).data == DATASET_SPECS
    if on_specs and not data.sets:
        remedy = "Give some: medssl data spec makes one"
        raise InputError(f"method {method!r}", "trains on dataset specs", remedy, code="method-needs-dataset-specs")
    if data.sets and not on_specs:
        raise InputError(
            f"method {method!r}",
            "does not train on dataset specs",
            "Give a folder or a catalogue",
            code="method-takes-no-dataset-specs",
        )
