"""Every `medssl …` line of the README is a call that exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from medssl.cli.app import app

README = Path(__file__).resolve().parents[3] / "README.md"


def commands() -> list[str]:
    """Lines of code blocks and inline code that start with `medssl `."""
    text = README.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```\n(.*?)```", text, flags=re.S))
    lines = [line.split("#")[0].strip() for line in blocks.splitlines() if line.startswith("medssl ")]
    return [*lines, *(inline for inline in re.findall(r"`(medssl [^`…]+)`", text))]


@pytest.mark.parametrize("line", commands())
def test_the_call_parses(line: str):
    arguments = shlex.split(line)[1:]
    command, context = typer.main.get_command(app), None
    while arguments and hasattr(command, "commands") and arguments[0] in command.commands:
        command = command.commands[arguments.pop(0)]
    assert not hasattr(command, "commands"), f"{line}: no such verb"
    missing = [p for p in command.params if p.required and p.param_type_name == "argument"]
    context = command.make_context("medssl", arguments or ["x"] * len(missing), resilient_parsing=False)
    assert context.params


def test_the_make_targets_exist():
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make (\w+)", README.read_text(encoding="utf-8"), flags=re.M)):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target
