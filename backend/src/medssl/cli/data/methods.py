"""`medssl methods`, `medssl tasks`: what can be trained, and every setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from medssl.cli.options import AsJson
from medssl.cli.output import print_json, print_table
from medssl.core.registry import RegistryEntry


def methods(
    name: Annotated[str, typer.Argument(help="A method, to list its settings; none lists the methods.")] = "",
    preset: Annotated[str, typer.Option(help="Preset whose values are shown.")] = "default",
    as_json: AsJson = False,
) -> None:
    """List the pretraining methods, or all settings of one."""
    from medssl.pretraining import METHODS

    _show(METHODS, "method", name, preset, as_json)


def tasks(
    name: Annotated[str, typer.Argument(help="A task, to list its settings; none lists the tasks.")] = "",
    preset: Annotated[str, typer.Option(help="Preset whose values are shown.")] = "default",
    as_json: AsJson = False,
) -> None:
    """List the downstream tasks, or all settings of one."""
    from medssl.tasks import TASKS

    _show(TASKS, "task", name, preset, as_json)


def _show(table: Mapping[str, RegistryEntry], what: str, name: str, preset: str, as_json: bool) -> None:
    from medssl.core.registry import config_class
    from medssl.core.schema import as_dict, build, describe

    if not name:
        classes = {entry: config_class(table, entry) for entry in table}
        about = {entry: ((c.__doc__ or "").split("\n")[0], tuple(c.PRESETS)) for entry, c in classes.items()}
        if as_json:
            print_json({entry: (text, ", ".join(presets)) for entry, (text, presets) in about.items()})
        else:
            rows = [(entry, "\n".join(presets), text) for entry, (text, presets) in about.items()]
            print_table((what, "presets", "what it is for"), rows, names=2)
        return
    kind = config_class(table, name, what)
    fields, values = describe(kind), as_dict(build(kind, {}, preset))
    if as_json:
        print_json({"fields": fields, "values": values})
    else:
        print_table(("setting", "value", "meaning"), _rows(fields, values), title=f"{name}, preset {preset}")


def _rows(fields: list[dict[str, Any]], values: dict[str, Any], path: str = "") -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for field in fields:
        where, value = f"{path}{field['name']}", values[field["name"]]
        if field["type"] == "group":
            rows += _rows(field["fields"], value, where + ".")
        else:
            rows.append((where, value, f"{field['description']}\n({_allowed(field)})"))
    return rows


def _allowed(field: dict[str, Any]) -> str:
    if field["choices"]:
        return " | ".join(field["choices"])
    if field["minimum"] is None:
        return field["type"]
    return f"{field['minimum']:g}…{field['maximum']:g} {field['unit']}".strip()
