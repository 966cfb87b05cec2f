"""docs/reference.md, made from the code: `python backend/checks/reference.py` writes it, a test compares."""

from __future__ import annotations

import ast
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from error_codes import CLASSES, code_uses
from structure import ROOMS

import medssl
from medssl.cli.app import app
from medssl.core.registry import RegistryEntry, config_class, load
from medssl.core.schema import describe
from medssl.handlers import INSPECTIONS
from medssl.jobs import KINDS
from medssl.pretraining import METHODS
from medssl.server.app import create_app
from medssl.tasks import TASKS

TARGET = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
HEAD = "# Reference\n\nMade from the code by `python backend/checks/reference.py`; do not edit.\n"


def reference() -> str:
    """The whole document."""
    parts = [HEAD, *_rooms(), *_inspections(), *_kinds(), *_settings("Methods", METHODS), *_settings("Tasks", TASKS)]
    return "\n".join([*parts, *_commands(), *_routes(), *_errors()]) + "\n"


def _table(heads: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    yield from ("| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in rows)
    yield ""


def _rooms() -> Iterator[str]:
    package = Path(medssl.__file__).parent
    rows = []
    for room in ROOMS:
        for folder in (package / room, *sorted(path for path in (package / room).rglob("*") if path.is_dir())):
            if (folder / "__init__.py").is_file():
                text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
                rows.append([f"`{folder.relative_to(package).as_posix()}`", text.partition("\n")[0]])
    yield "## Rooms, lowest first\n"
    yield from _table(["room", "what it holds"], rows)


def _inspections() -> Iterator[str]:
    rows = []
    for name, inspection in INSPECTIONS.items():
        fields = [field.name for field in dataclasses.fields(load(inspection.request))]
        rows.append([f"`{name}`", inspection.summary, f"`{inspection.request.rpartition(':')[2]}`", ", ".join(fields)])
    yield "## Inspections\n"
    yield from _table(["name", "what it is", "request", "fields"], rows)


def _kinds() -> Iterator[str]:
    yield "## Kinds of jobs\n"
    yield from _table(
        ["kind", "runs", "is checked by"], [[f"`{n}`", f"`{k.run}`", f"`{k.check}`"] for n, k in KINDS.items()]
    )


def _settings(title: str, table: Mapping[str, RegistryEntry]) -> Iterator[str]:
    yield f"## {title}\n"
    for name in table:
        config = config_class(table, name)
        yield f"### {name}\n\nPresets: {', '.join(f'`{preset}`' for preset in config.PRESETS)}.\n"
        yield from _table(["setting", "default", "allowed", "what it does"], list(_rows(describe(config))))


def _rows(fields: list[dict[str, Any]], above: str = "") -> Iterator[list[str]]:
    for field in fields:
        if field["type"] == "group":
            yield from _rows(field["fields"], f"{above}{field['name']}.")
            continue
        bounds = [
            f"{sign} {field[key]:g}" for sign, key in (("≥", "minimum"), ("≤", "maximum")) if field[key] is not None
        ]
        allowed = ", ".join(field["choices"] or bounds) or field["type"]
        unit = f" {field['unit']}" if field["unit"] else ""
        yield [f"`{above}{field['name']}`", f"{field['default']}{unit}", allowed, field["description"]]


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    yield from _table(["command", "what it does"], list(_command_rows(typer.main.get_command(app), "medssl")))


def _command_rows(command: Any, path: str) -> Iterator[list[str]]:
    if hasattr(command, "commands"):
        for name, inner in sorted(command.commands.items()):
            if not inner.hidden:
                yield from _command_rows(inner, f"{path} {name}")
    else:
        yield [f"`{path}`", (command.help or "").strip().partition("\n\n")[0]]


def _routes() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as home:
        paths = create_app(Path(home), "token").openapi()["paths"]
    rows = [
        [f"`{method.upper()} {path}`", answer.get("description") or answer.get("summary", "")]
        for path, methods in paths.items()
        for method, answer in methods.items()
    ]
    yield "## Routes\n"
    yield from _table(["route", "what it does"], rows)


def _errors() -> Iterator[str]:
    yield "## Errors\n\nEach class's own code; single errors have the more precise ones below.\n"
    yield from _table(
        ["class", "code", "what it means"],
        [[f"`{name}`", f"`{k.code}`", (k.__doc__ or "").partition("\n")[0]] for name, k in CLASSES.items()],
    )
    known: dict[str, tuple[dict[str, None], list[str]]] = {}
    for use in code_uses():
        kinds, rules = known.setdefault(use.code, ({}, []))
        kinds[use.kind] = None
        rules += [use.rule] if use.rule else []
    yield "A code stays when the wording changes; the rule is that of one place that gives it.\n"
    yield from _table(
        ["code", "class", "for example"],
        [[f"`{code}`", ", ".join(kinds), rules[0] if rules else ""] for code, (kinds, rules) in known.items()],
    )


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
    print(f"{TARGET} written")
    sys.exit(0)
