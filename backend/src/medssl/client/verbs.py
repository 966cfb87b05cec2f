"""Methods of `Session` that ask for inspections, made of their requests' fields."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any

from medssl.client import api
from medssl.core.protocol import ResultStatus
from medssl.core.registry import load
from medssl.handlers import Inspection

POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def verb(name: str, inspection: Inspection) -> Callable[..., ResultStatus]:
    """A method `(session, <required fields>, on_progress, *, <further fields>)` that asks and waits.

    A request that was made before is taken as the only positional argument, too.
    """
    kind = load(inspection.request)
    signature = _signature(kind)

    def ask(self: Any, *args: Any, **options: Any) -> ResultStatus:
        if args and isinstance(args[0], kind):
            request, progress = args[0], [*args[1:], *options.values()]
        else:
            given = signature.bind(self, *args, **options).arguments
            progress = [given.pop("on_progress")] if given.get("on_progress") else []
            del given["self"]
            request = kind(**{key: _fit(signature.parameters[key], value) for key, value in given.items()})
        return self.finished(self.send(getattr(api, name)(request)), *progress)

    ask.__name__, ask.__qualname__, ask.__doc__ = name, f"Session.{name}", _help(kind)
    ask.__signature__ = signature  # type: ignore[attr-defined]
    return ask


def _signature(kind: Any) -> inspect.Signature:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    required = [field for field in fields if _required(field)]
    further = [field for field in fields if not _required(field)]
    return inspect.Signature(
        [
            inspect.Parameter("self", POSITIONAL),
            *(inspect.Parameter(field.name, POSITIONAL, annotation=hints[field.name]) for field in required),
            inspect.Parameter("on_progress", POSITIONAL, default=None),
            *(
                inspect.Parameter(field.name, KEYWORD, default=field.default, annotation=hints[field.name])
                for field in further
            ),
        ],
        return_annotation=ResultStatus,
    )


def _required(field: dataclasses.Field) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def _fit(parameter: inspect.Parameter, value: Any) -> Any:
    """A list or another row of values as the tuple that the field holds."""
    row = typing.get_origin(parameter.annotation) is tuple and not isinstance(value, str)
    return tuple(value) if row else value


def _help(kind: Any) -> str:
    fields = [f"    {field.name}: {field.metadata.get('description', '')}." for field in dataclasses.fields(kind)]
    progress = "    on_progress: called with a fraction 0...1 and a message."
    raises = "Raises:\n    MedSSLError: what the backend reports."
    return "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Args:", *fields, progress, "", raises])
