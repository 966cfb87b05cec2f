"""Settings as the command line takes them: a preset, under a file (--config), under single ones (--set)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medssl.core.errors import ConfigError


def parse_settings(assignments: list[str]) -> dict[str, Any]:
    """Turn `training.steps=500` into {"training": {"steps": 500}}; values are JSON where they can be, else text.

    Raises:
        ConfigError: no equals sign.
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
            here[name] = json.loads(text)
        except ValueError:
            here[name] = text
    return tree


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
