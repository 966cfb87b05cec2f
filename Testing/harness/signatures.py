"""Calls of Slicer's Python functions held to the signatures of the application, which are not those of the packages here."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import types

from . import api

UTIL = "slicer.util"
BASES = (
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleWidget",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
)


@functools.cache
def recorded(name: str) -> inspect.Signature | None:
    """The signature of a function in the application, or None where it was not recorded."""
    text = api.application()["signatures"].get(name)
    if text is None:
        return None
    arguments = ast.parse(f"def f{re.sub(r'<(?:[^<>]|<[^<>]*>)*>', 'None', text)}: pass").body[0].args
    kind, found = inspect.Parameter, []
    plain = [*arguments.posonlyargs, *arguments.args]
    required = len(plain) - len(arguments.defaults)
    for number, one in enumerate(plain):
        group = kind.POSITIONAL_ONLY if number < len(arguments.posonlyargs) else kind.POSITIONAL_OR_KEYWORD
        found.append(kind(one.arg, group, default=kind.empty if number < required else None))
    if arguments.vararg:
        found.append(kind(arguments.vararg.arg, kind.VAR_POSITIONAL))
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        found.append(kind(one.arg, kind.KEYWORD_ONLY, default=kind.empty if default is None else None))
    if arguments.kwarg:
        found.append(kind(arguments.kwarg.arg, kind.VAR_KEYWORD))
    return inspect.Signature(found)


def complaint(name: str, positional: int, keywords, method: bool = False) -> str:
    """Why a call would fail there, or "".

    Args:
        positional: number of arguments without a name.
        keywords: names of the others.
        method: whether `self` is passed besides.
    """
    signature = recorded(name)
    if signature is None:
        return ""
    try:
        signature.bind(*[None] * (positional + method), **dict.fromkeys(keywords))
    except TypeError as error:
        return f"{name}: {error}"
    return ""


def guard(module: types.ModuleType) -> None:
    """Let every recorded function of `slicer.util` refuse calls that the application would refuse; Slicer's own are free."""
    for name, function in list(vars(module).items()):
        if inspect.isfunction(function) and recorded(f"{UTIL}.{name}") is not None:
            setattr(module, name, _guarded(f"{UTIL}.{name}", function))


def _guarded(name: str, function):
    @functools.wraps(function)
    def call(*arguments, **keywords):
        if not sys._getframe(1).f_globals.get("__name__", "").startswith("slicer"):
            wrong = complaint(name, len(arguments), keywords)
            if wrong:
                raise TypeError(wrong)
        return function(*arguments, **keywords)

    return call
