"""Bodies and queries of requests: strictly of the types that the document names, and the rules that types alone do not say."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from fastapi import Depends, Request
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


def strict(kind: Any) -> Any:
    """A dependency that refuses a JSON body whose types are near `kind`'s but not the same, such as "5" for 5.

    Raises:
        RequestValidationError: such a body.
    """
    adapter = TypeAdapter(kind)

    async def check(request: Request) -> None:
        try:
            body = json.dumps(json.loads(await request.body(), parse_float=_number))
        except (ValueError, RecursionError):  # no JSON: the framework's to refuse
            return
        try:
            adapter.validate_json(body, strict=True)
        except ValidationError as error:
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error

    return Depends(check)


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
