"""Options of a command, made of the fields of an inspection's request."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.core.protocol import DataSpec, VolumeRef

Command = Callable[..., None]
PLAIN = (str, int, float, bool)
NO_DEFAULT = inspect.Parameter.empty


def with_options(request: Any, *omitted: str) -> Callable[[Command], Command]:
    """Decorate a command: its `**options` become those fields of a request that it has no parameter for.

    The command gets them by their field's name, as the request takes them.

    Args:
        request: the request class; a field of a type that has no form on the command line is left out.
        omitted: further fields that are no options.
    """

    def decorate(command: Command) -> Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
        made = _options(request, {*omitted, *(parameter.name for parameter in own)})

        @wraps(command)
        def run(**given: Any) -> None:
            command(**{name: made[name].read(value) if name in made else value for name, value in given.items()})

        parameters = [
            *(parameter for parameter in own if parameter.default is NO_DEFAULT),
            *(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.form)
              for name, option in made.items()),
            *(parameter for parameter in own if parameter.default is not NO_DEFAULT),
        ]  # fmt: skip
        named = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # what Typer reads
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in named}
        return run

    return decorate


@dataclasses.dataclass(frozen=True)
class _Option:
    """A field on the command line: its annotation and default there, and how its value becomes what the field holds."""

    form: Any
    default: Any
    read: Callable[[Any], Any] = lambda value: value


def _options(request: Any, known: set[str]) -> dict[str, _Option]:
    hints = typing.get_type_hints(request)
    fields = [field for field in dataclasses.fields(request) if field.name not in known]
    made = {field.name: _option(field, hints[field.name]) for field in fields}
    return {name: option for name, option in made.items() if option is not None}


def _option(field: dataclasses.Field, hint: Any) -> _Option | None:
    text = field.metadata["description"]
    default: Any = NO_DEFAULT if field.default is dataclasses.MISSING else field.default
    if hint in PLAIN:
        return _Option(Annotated[hint, typer.Option(help=f"{text}.")], default)
    if hint == tuple[str, ...]:
        one = typer.Option(f"--{field.name.removesuffix('s').replace('_', '-')}", help=f"{text}; repeatable.")
        return _Option(Annotated[list[str], one], default if default is NO_DEFAULT else [*default], tuple)
    if hint is VolumeRef:
        return _Option(Annotated[Path, typer.Argument(help=f"{text}.")], default, _volume)
    if hint == tuple[VolumeRef, ...]:
        return _Option(Annotated[list[Path], typer.Argument(help=f"{text}.")], default, _volumes)
    if hint is DataSpec:
        some = typer.Option(help=f"{text}: a folder, a catalogue CSV or a dataset spec; repeatable.")
        return _Option(Annotated[list[str], some], default, _data)
    return None


def _volume(path: Path) -> VolumeRef:
    return VolumeRef(path=str(path))


def _volumes(paths: list[Path]) -> tuple[VolumeRef, ...]:
    return tuple(_volume(path) for path in paths)


def _data(paths: list[str]) -> DataSpec:
    from medssl.cli.training_set import data_spec

    return data_spec(paths, "", "", validation_fraction=0.2)
