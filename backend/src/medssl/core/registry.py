"""Registries: a name -> import strings of classes, of which only what is asked for is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from medssl.core.errors import NotFoundError

Line = TypeVar("Line")
CATALOGUE, DATASET_SPECS = "catalogue", "dataset specs"


@dataclass(frozen=True)
class RegistryEntry:
    """A line of METHODS or TASKS.

    Attributes:
        config: import string `package.module:Name` of the class of the settings; imports no torch.
        implementation: import string of what does the work; this import may be heavy.
    """

    config: str
    implementation: str


@dataclass(frozen=True)
class MethodEntry(RegistryEntry):
    """A line of METHODS.

    Attributes:
        data: what it trains on: the images of one catalogue, or datasets with a head for each.
        starts_from: keys of NETWORKS, whose models it can begin with.
    """

    data: str = CATALOGUE
    starts_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskEntry(RegistryEntry):
    """A line of TASKS.

    Attributes:
        answers: the capability that its models have.
        kind: of its jobs.
        needs_model: it trains nothing from scratch.
        plan: import string of `(spec, run) -> (table, info)`, which says how it would be trained; "": nothing is planned.
    """

    answers: str
    kind: str = "finetune"
    needs_model: bool = False
    plan: str = ""


def load(reference: str) -> Any:
    """Import `package.module:Name`."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def entry(table: Mapping[str, Line], name: str, kind: str = "method") -> Line:
    """One line of a registry.

    Raises:
        NotFoundError: nothing is registered under that name.
    """
    if name not in table:
        raise NotFoundError(
            f"{kind} {name!r}", "is not registered", f"Use one of {', '.join(table)}", code="not-registered"
        )
    return table[name]


def config_class(table: Mapping[str, RegistryEntry], name: str, kind: str = "method") -> Any:
    """The config class of a registered name; imports no torch."""
    return load(entry(table, name, kind).config)


def implementation(table: Mapping[str, RegistryEntry], name: str, kind: str = "method") -> Any:
    """The implementing class of a registered name; this import may be heavy."""
    return load(entry(table, name, kind).implementation)
