"""Turn a registry line's import strings into classes, importing only what is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from medssl.core.errors import NotFoundError


def load(reference: str) -> Any:
    """Import `package.module:Name`."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def entry(table: dict[str, tuple[str, str]], name: str, kind: str) -> tuple[str, str]:
    """One line of a registry.

    Raises:
        NotFoundError: nothing is registered under that name.
    """
    if name not in table:
        raise NotFoundError(f"{kind} {name!r}", "is not registered", f"Use one of {', '.join(table)}")
    return table[name]


def config_class(table: dict[str, tuple[str, str]], name: str, kind: str = "method") -> Any:
    """The config class of a registered name; imports no torch."""
    return load(entry(table, name, kind)[0])


def implementation(table: dict[str, tuple[str, str]], name: str, kind: str = "method") -> Any:
    """The implementing class of a registered name; this import may be heavy."""
    return load(entry(table, name, kind)[1])
