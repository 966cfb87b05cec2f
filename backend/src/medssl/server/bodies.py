"""Bodies and queries of requests: strictly of the types that the document names, and the rules that types alone do not say."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from medssl.core.errors import InputError
from medssl.core.protocol import VERSION
from medssl.core.registry import load
from medssl.handlers import INSPECTIONS
from medssl.jobs import KINDS

EXACT = 2**53  # whole numbers below are the same as float
FULL, EMPTY = {"minLength": 1}, {"const": ""}
SHA256 = {"pattern": "^[0-9a-f]{64}$"}
OF_SHA256 = {"pattern": "^([0-9a-f]{64})?$"}
BETWEEN_0_AND_1 = {"exclusiveMinimum": 0, "exclusiveMaximum": 1}
FIELDS: dict[str, dict[str, dict[str, Any]]] = {  # schema -> field -> rule
    "VolumeRef": {"sha256": OF_SHA256, "mask_sha256": OF_SHA256},
    "DataSpec": {
        "patient_ids": {"enum": ["hashed", "plain"]},
        "gaps": {"enum": ["refuse", "resample"]},
        "validation_fraction": BETWEEN_0_AND_1,
        "unreadable_share": {"minimum": 0, "maximum": 1},
        "test_fraction": {"minimum": 0, "exclusiveMaximum": 1},
    },
    "JobSpec": {
        "kind": {"enum": list(KINDS)},
        "version": {"maximum": VERSION},
        "device": {"pattern": r"^(auto|none|cpu|mps|cuda(:\d+)?)$"},
    },
}
WHOLE: dict[str, dict[str, Any]] = {  # schema -> rules over several fields
    "VolumeRef": {
        "oneOf": [
            {"required": ["path"], "properties": {"path": FULL, "sha256": EMPTY}},
            {"required": ["sha256"], "properties": {"sha256": SHA256, "path": EMPTY}},
        ],
        "not": {"required": ["mask_path", "mask_sha256"], "properties": {"mask_path": FULL, "mask_sha256": FULL}},
    },
    "DataSpec": {
        "oneOf": [
            {"required": [one], "properties": {one: FULL if one == "path" else {"minItems": 1}}}
            for one in ("path", "volumes", "sets")
        ],
        "not": {
            "required": ["folds", "validation_of"],
            "properties": {"folds": {"not": {"const": 0}}, "validation_of": FULL},
        },
    },
}


@dataclasses.dataclass(frozen=True)
class JsonBody:
    """A dependency that reads a request's body: a `kind`, whose types are exactly those of the document, so no "5" for 5.

    FastAPI would make a validator of every body when the server starts, and a lenient one; here the first request makes it.
    """

    kind: Any

    @property
    def document(self) -> dict[str, Any]:
        """What an operation says of its body, for `openapi_extra`."""
        schema = {"$ref": f"#/components/schemas/{self.kind.__name__}"}
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

    async def __call__(self, request: Request) -> Any:
        """The body.

        Raises:
            InputError: it is not said to be JSON, or cannot be read.
            RequestValidationError: it is empty, no JSON, or no `kind`.
        """
        said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if said != "application/json" and not (said.startswith("application/") and said.endswith("+json")):
            remedy = "Send Content-Type: application/json"
            raise InputError(f"Content-Type {said[:80]!r}", "is not JSON", remedy, code="body-not-json")
        body = await request.body()
        try:
            text = json.dumps(json.loads(body, parse_float=_number))
        except json.JSONDecodeError as error:
            where = {"loc": ("body", error.pos), "ctx": {"error": error.msg}}
            raise RequestValidationError([{"type": "json_invalid", "msg": "JSON decode error", **where}]) from error
        except (ValueError, RecursionError) as error:  # not UTF-8, or too deep
            raise InputError("body", "cannot be read as JSON", "See /docs", code="body-not-json") from error
        try:
            return strictly(self.kind, text)
        except ValidationError as error:
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


def strictly(kind: Any, text: str) -> Any:
    """A `kind` from JSON whose types are its own."""
    return _validator(kind).validate_json(text, strict=True)


@cache
def _validator(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _number(text: str) -> float:
    """A number of JSON, where 5.0 is a whole number."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < EXACT else number


def known_query(request: Request) -> None:
    """A dependency of all routes: a query parameter that means nothing is a mistake, such as "wiat".

    Raises:
        InputError: such a parameter.
    """
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        remedy = f"Known here: {', '.join(known)}" if known else "Leave it out"
        raise InputError(f"query parameter {unknown[0][:80]!r}", "is unknown", remedy, code="query-unknown")


def add_rules(schemas: dict[str, Any]) -> None:
    """Write the rules of fields into the schemas that FastAPI derived from types."""
    for inspection in INSPECTIONS.values():
        kind = load(inspection.request)
        fields = schemas.get(kind.__name__, {}).get("properties", {})
        for field in dataclasses.fields(kind):
            if field.name in fields and (rule := _range(field)):
                fields[field.name] |= rule
    for name, rules in FIELDS.items():
        for field_name, rule in rules.items():
            schemas[name]["properties"][field_name] |= rule
    for name, rule in WHOLE.items():
        schemas[name] |= rule


def _range(field: dataclasses.Field) -> dict[str, Any]:
    """The range of a request's field; its default is always allowed."""
    rules, default = field.metadata, field.default
    if rules.get("choices"):
        return {"enum": list(dict.fromkeys([*rules["choices"], *([default] if isinstance(default, str) else [])]))}
    bounds = {key: rules[key] for key in ("minimum", "maximum") if rules.get(key) is not None}
    return bounds
