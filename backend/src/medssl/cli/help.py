"""How verbs enter the tree of commands: with a group, an example below their help, and their old spellings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from medssl.core.errors import ConfigError

TRAIN, INSPECT, APPLY = "Train", "Inspect", "Apply and evaluate"
DATA, SERVER = "Data and models", "Server and jobs"
EXAMPLE = "Example:\n"
OVERRIDDEN = (  # an option that does not count where the other one is given (True), or is not (False), but beside the last
    ("test_fraction", "folds", True, "ensemble"), ("validation_fraction", "folds", True, ""), ("fold", "folds", False, ""),
)  # fmt: skip
COMMANDLINE = "COMMANDLINE"  # the name that click has for it


def is_given(ctx: Any, option: str) -> bool:
    """Whether an option of a call, by the name of its parameter, was typed, and is no default."""
    return getattr(ctx.get_parameter_source(option), "name", "") == COMMANDLINE


class Verb(TyperCommand):
    """A command whose flags need no negation; the old one, --no-detach of --detach, is read and means nothing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        flags = {name for p in self.params if getattr(p, "is_flag", False) and not p.secondary_opts for name in p.opts}
        negations = {f"--no-{name[2:]}" for name in flags}
        rest = super().parse_args(ctx, [argument for argument in args if argument not in negations])
        for option, governor, overridden, exempting in OVERRIDDEN:
            if is_given(ctx, option) and bool(ctx.params.get(governor)) == overridden and not ctx.params.get(exempting):
                flag, other = (f"--{name.replace('_', '-')}" for name in (option, governor))
                while_ = f"{other} {ctx.params[governor]} draws the parts" if overridden else f"there is no {other}"
                remedy = f"Leave {flag} out" if overridden else f"Add {other}, or leave {flag} out"
                raise ConfigError(
                    f"{flag} {ctx.params[option]}", f"does not count: {while_}", remedy, code="option-overridden"
                )
        return rest


def verb(app: typer.Typer, name: str, example: str, *, group: str | None = None, old: tuple[str, ...] = ()) -> Any:
    """Register a function as the command `name`.

    Args:
        app: the tree.
        name: of the command.
        example: a call as users type it, shown below the help.
        group: of commands that the help of `app` shows together.
        old: earlier names, which still work but are not shown.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        paragraphs = (inspect.getdoc(function) or "").split("\n\n")
        text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)  # the terminal breaks the lines
        about: dict[str, Any] = {
            "cls": Verb, "help": text, "epilog": f"{EXAMPLE}{escape(example)}", "rich_help_panel": group,
        }  # fmt: skip
        app.command(name, **about)(function)
        for earlier in old:
            app.command(earlier, hidden=True, **about)(function)
        return function

    return register
