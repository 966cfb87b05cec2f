"""Settings as frozen dataclasses: one tree is the form, the HTTP body, the YAML file and the header.

Standard library only, because Slicer's process imports it. A config class declares each field with
`setting(...)`, may nest further config classes, and may hold `PRESETS`: name -> overrides. `ONLY_WHILE` says of settings (of its own
or, dotted, of a group) when they count at all: "momentum" -> "optimizer=sgd", "training.steps" -> "epochs=0", "x" -> "y>0",
"z" -> "kind=a|b". One that is given and does not count is refused. `under(preset, values)` may take out of a preset what explicit
values replace.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from functools import cache
from typing import Any

from medssl.core.errors import ConfigError

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def setting(
    default: Any,
    description: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    advanced: bool = False,
    zero: str = "",
) -> Any:
    """Declare one field of a config class: default, what it means, unit, allowed range, and what forms show in place of 0."""
    metadata = dict(
        description=description,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        choices=choices,
        advanced=advanced,
        zero=zero,
    )
    if dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def range_text(
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> str:
    """The allowed values of a field in words, "0 to 1"; empty where every value is allowed."""
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if minimum is None and maximum is None:
        return ""
    if maximum is None:
        return f"at least {minimum} {unit}".strip()
    return f"{f'at most {maximum}' if minimum is None else f'{minimum} to {maximum}'} {unit}".strip()


def check_ranges(value: Any) -> None:
    """Refuse numbers and words outside the ranges of a dataclass's fields; a field's default is always allowed.

    Raises:
        ConfigError: such a value.
    """
    for field in dataclasses.fields(value):
        found, rules = getattr(value, field.name), field.metadata
        fits = isinstance(
            found, str if rules and rules["choices"] else (int, float)
        )  # other types are the server's to refuse
        if rules and fits and found != field.default:
            _check_range(field.name, found, rules)


def title_of(config_class: Any) -> str:
    """What users call the method or task of a config class: its docstring up to a colon or a parenthesis."""
    return " ".join((config_class.__doc__ or "").split()).partition(": ")[0].partition(" (")[0]


def describe(config_class: Any) -> list[dict[str, Any]]:
    """List the fields as plain data: name, type, default, description, unit, minimum, maximum, choices, advanced.

    `type` is one of integer, number, boolean, string, integers (a fixed-length tuple) or group; a group
    carries its own `fields`.
    """
    hints = _hints(config_class)
    return [_describe_field(field, hints[field.name]) for field in dataclasses.fields(config_class)]


def presets(config_class: Any) -> dict[str, dict[str, Any]]:
    """Each preset's complete tree of values."""
    return {name: as_dict(build(config_class, {}, preset=name)) for name in config_class.PRESETS}


def build(config_class: Any, values: dict[str, Any], preset: str | None = None) -> Any:
    """Make a config from a preset and nested overrides, checking every name, type and range.

    Raises:
        ConfigError: an unknown preset or setting, a wrong type, or a value outside its range.
    """
    if preset is None:
        return _build(config_class, values, path="")
    known = config_class.PRESETS
    if preset not in known:
        raise ConfigError(f"preset {preset!r}", "is unknown", f"Use one of {', '.join(known)}", code="preset-unknown")
    _build(config_class, values, path="")  # names and types, before they are looked into
    base = getattr(config_class, "under", lambda base, values: base)(known[preset], values)
    made = _build(config_class, _merge(base, values), path="")
    check_counting(made, values, base)
    return made


def build_asked(config_class: Any, values: dict[str, Any]) -> Any:
    """Make a config from what somebody asked for, over the defaults.

    A whole tree is taken as it is: forms hold settings that do not count, and say so. In a part of one every setting was
    meant, and those that do not count are refused.

    Raises:
        ConfigError: see `build` and `check_counting`.
    """
    made = build(config_class, values)
    if not _is_whole(as_dict(made), values):
        check_counting(made, values)
    return made


def check_counting(config: Any, values: dict[str, Any], base: dict[str, Any] | None = None) -> None:
    """Refuse settings that were given and do not count under the others, see `ONLY_WHILE` in the module's docstring.

    Args:
        config: as it was made.
        values: what was given by name; what says the same as the default or the preset was copied, and contradicts nothing.
        base: the preset's values.

    Raises:
        ConfigError: such a setting, with the one that decides.
    """
    for path, (governor, found, condition) in not_counting(config).items():
        given = _at(values, path)
        if given is MISSING or given in (_at(base or {}, path), _default_of(config, path)):
            continue
        name = governor.rpartition(".")[2]
        wanted = governor.removesuffix(name) + condition.replace("|", " or ").replace(">0", " to more than 0", 1)
        raise ConfigError(
            f"{path} = {given!r}",
            f"does not count while {governor} = {found!r}",
            f"Leave it out, or set {wanted} too",
            code="setting-overridden",
        )


def not_counting(config: Any, path: str = "") -> dict[str, tuple[str, Any, str]]:
    """Settings that have no effect under the others: dotted name -> (the one that decides, its value, when it would count)."""
    found = {}
    for name, condition in getattr(config, "ONLY_WHILE", {}).items():
        governor = condition.partition(">")[0].partition("=")[0]
        value = getattr(config, governor)
        counts = value > 0 if condition.endswith(">0") else str(value) in condition.partition("=")[2].split("|")
        if not counts:
            found[path + name] = path + governor, value, condition
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= not_counting(value, f"{path}{field.name}.")
    return found


def _is_whole(tree: dict[str, Any], values: dict[str, Any]) -> bool:
    return all(
        name in values and (not isinstance(one, dict) or _is_whole(one, values[name])) for name, one in tree.items()
    )


MISSING = object()


def _at(tree: Any, path: str) -> Any:
    """The value of a dotted name in nested settings; MISSING where there is none."""
    for name in path.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return MISSING
        tree = tree[name]
    return tree


def _default_of(config: Any, path: str) -> Any:
    *groups, name = path.split(".")
    for group in groups:
        config = getattr(config, group)
    return next(field.default for field in dataclasses.fields(config) if field.name == name)


def as_dict(config: Any) -> dict[str, Any]:
    """The config as nested JSON-ready values (tuples become lists)."""
    return {
        field.name: as_dict(value)
        if dataclasses.is_dataclass(value)
        else list(value)
        if isinstance(value, tuple)
        else value
        for field in dataclasses.fields(config)
        for value in [getattr(config, field.name)]
    }


def _describe_field(field: dataclasses.Field, hint: Any) -> dict[str, Any]:
    entry = {"name": field.name, **field.metadata}
    if dataclasses.is_dataclass(hint):
        return {**entry, "type": "group", "fields": describe(hint)}
    kinds = {int: "integer", float: "number", bool: "boolean", str: "string"}
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return {**entry, "type": kinds.get(hint, "integers"), "default": default}


@cache
def _hints(config_class: Any) -> dict[str, Any]:
    """The fields' types; worked out once, because panels and listings build every preset of every method again."""
    return typing.get_type_hints(config_class)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        nested = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merge(merged[name], value) if nested else value
    return merged


def _build(config_class: Any, values: dict[str, Any], path: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path or 'config'} = {values!r}",
            "must be a group of settings",
            "Give a mapping of names to values",
            code="setting-type",
        )
    hints = _hints(config_class)
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    unknown = [name for name in values if name not in fields]
    if unknown:
        raise ConfigError(
            f"setting {path}{unknown[0]}", "is unknown", f"Known here: {', '.join(fields)}", code="setting-unknown"
        )
    made = {}
    for name, value in values.items():
        hint, where = hints[name], f"{path}{name}"
        if dataclasses.is_dataclass(hint):
            made[name] = _build(hint, value, where + ".")
        else:
            made[name] = _checked(where, value, hint, fields[name].metadata)
    return config_class(**made)


def _checked(where: str, value: Any, hint: Any, rules: typing.Mapping[str, Any]) -> Any:
    if typing.get_origin(hint) is tuple:
        return _checked_tuple(where, value, hint, rules)
    if hint is str:
        value = _as_text(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise ConfigError(f"{where} = {value!r}", f"must be {KINDS[hint]}", rules["description"], code="setting-type")
    _check_range(where, value, rules)
    return value


def _as_text(value: Any) -> Any:
    """Numbers where text is wanted: a spacing may be written 1.5 or [1, 1, 3]. What is no number stays as it is."""
    numbers = value if isinstance(value, (list, tuple)) and value else [value]
    if all(type(number) in (int, float) for number in numbers):
        return " ".join(f"{number:g}" for number in numbers)
    return value


def _check_range(where: str, value: Any, rules: typing.Mapping[str, Any]) -> None:
    if rules["choices"] and value not in rules["choices"]:
        raise ConfigError(
            f"{where} = {value!r}",
            "is not a choice",
            f"Use one of {', '.join(rules['choices'])}",
            code="setting-not-a-choice",
        )
    low, high, unit = rules["minimum"], rules["maximum"], f" {rules['unit']}" if rules["unit"] else ""
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = (
            f"between {low} and {high}"
            if None not in (low, high)
            else f"at least {low}"
            if high is None
            else f"at most {high}"
        )
        raise ConfigError(
            f"{where} = {value}{unit}", f"must be {bounds}{unit}", rules["description"], code="setting-out-of-range"
        )


def _checked_tuple(where: str, value: Any, hint: Any, rules: typing.Mapping[str, Any]) -> tuple:
    items = typing.get_args(hint)
    if not isinstance(value, (list, tuple)) or len(value) != len(items):
        raise ConfigError(
            f"{where} = {value!r}", f"must be a list of {len(items)}", rules["description"], code="setting-type"
        )
    return tuple(_checked(f"{where}[{n}]", v, h, rules) for n, (v, h) in enumerate(zip(value, items)))
