"""Settings as the command line takes them: a preset, under a file (--config), under single ones (--set)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medssl.core.errors import ConfigError

PYTHONS = {"True": True, "False": False}


def parse_settings(assignments: list[str]) -> dict[str, Any]:
    """Turn `training.steps=500` into {"training": {"steps": 500}}; values are JSON, or Python's True and False, where they can be, else text.

    Raises:
        ConfigError: no equals sign, or one setting with two values.
    """
    tree: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            rule, remedy = "lacks an equals sign", "Write --set training.steps=500"
            raise ConfigError(f"--set {assignment}", rule, remedy, code="setting-without-value")
        *groups, name = path.strip().split(".")
        here = tree
        for group in groups:
            here = here.setdefault(group, {})
        try:
            value = json.loads(text)
        except ValueError:
            value = PYTHONS.get(text, text)
        if here.setdefault(name, value) != value:
            raise given_twice(f"--set {path.strip()}", here[name], f"--set {path.strip()}", value)
    return tree


def with_options(settings: dict[str, Any], options: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """Settings with those that have an option of their own; an option that was not given (None or "") changes nothing.

    Args:
        settings: of --config and --set.
        options: dotted setting -> (the option, its value).

    Raises:
        ConfigError: an option and a setting that say different things.
    """
    for path, (option, value) in options.items():
        if value is None or value == "":
            continue
        *groups, name = path.split(".")
        here = settings
        for group in groups:
            here = here.get(group, {})
        if name in here and here[name] != value:
            raise given_twice(f"--set {path}", here[name], option, value)
        made: dict[str, Any] = {name: value}
        for group in reversed(groups):
            made = {group: made}
        settings = merge(settings, made)
    return settings


def given_twice(first: str, value: Any, second: str, other: Any) -> ConfigError:
    """The error for one setting with two values."""
    rule = f"and {second} = {other!r} are of one setting"
    return ConfigError(f"{first} = {value!r}", rule, "Give one of them", code="setting-given-twice")


def read_settings(path: str) -> dict[str, Any]:
    """Settings of a YAML or JSON file; {} where no file is named.

    Raises:
        ConfigError: no such file, or no mapping in it.
    """
    if not path:
        return {}
    tree = read_yaml(Path(path), "config file")
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path}", "must hold a mapping of settings", "See `medssl methods NAME`")
    return tree


def read_yaml(path: Path, what: str) -> Any:
    """The values in a YAML or JSON file.

    Raises:
        ConfigError: it cannot be read; `what` says what it should have been.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        rule = f"cannot be read ({error})"
        raise ConfigError(f"{what} {path}", rule, "Give a YAML or JSON file", code="file-unreadable") from error


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, `over` winning."""
    nested = {n: merge(base[n], v) for n, v in over.items() if isinstance(v, dict) and isinstance(base.get(n), dict)}
    return {**base, **over, **nested}
