"""Request bodies: read by the protocol, which knows names and rules, and checked for types by pydantic."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from medssl.core.errors import InputError, MedSSLError

T = TypeVar("T")


def read_body(kind: type[T], read: Callable[[dict[str, Any]], T], body: dict[str, Any]) -> T:
    """The request in a JSON body.

    Raises:
        InputError: a field that is unknown, missing, of the wrong type or against a rule.
    """
    try:
        request = read(body)
        _types(kind).validate_python(body)  # type: ignore[arg-type]  # a class can be hashed
    except MedSSLError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where} = {first['input']!r}"[:300], first["msg"], "See /docs") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{kind.__name__}", f"cannot be read ({error})", "See /docs") from error
    return request


@cache
def _types(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
