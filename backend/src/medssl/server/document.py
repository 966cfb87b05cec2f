"""The OpenAPI document: what FastAPI derives from the routes, with what every answer has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from medssl.core.protocol import JobSpec, JobView, ResultStatus
from medssl.core.registry import load
from medssl.handlers import Inspection
from medssl.server.answers import errors
from medssl.server.bodies import add_rules
from medssl.server.gate.access import OPEN_PATHS

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "code", "value", "rule", "remedy", "message"],
            "properties": {name: {"type": "string"} for name in ("type", "code", "value", "rule", "remedy", "message")},
        }
    },
}
OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")  # schemas of an answer that is never given


def complete(app: FastAPI, inspections: Mapping[str, Inspection]) -> Callable[[], dict[str, Any]]:
    """`app.openapi` that adds bodies and answers, the shape of errors, the token, and the answers that any route may give."""
    derived = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = derived()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name in OF_THE_FRAMEWORK:
                schemas.pop(name, None)
            schemas["Error"] = ERROR
            asked = [load(inspection.request) for inspection in inspections.values()]
            for kind in (JobSpec, JobView, ResultStatus, *asked):
                for name, schema in _schemas_of(kind).items():
                    schemas.setdefault(name, schema)
            add_rules(schemas)
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _add_common(operation, path in OPEN_PATHS)
        assert app.openapi_schema is not None
        return app.openapi_schema

    return openapi


def _schemas_of(kind: type) -> dict[str, Any]:
    """The schema of a dataclass, and of those that are in it, by name."""
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), kind.__name__: schema}


def _add_common(operation: dict[str, Any], is_open: bool) -> None:
    answers = operation["responses"]
    answers.pop("422", None)  # what FastAPI would say of an invalid request; here it is 400
    statuses = [400, 403, 413] if is_open else [400, 401, 403, 413, 429]
    for status, answer in errors(*statuses).items():
        answers.setdefault(str(status), answer)
    operation["responses"] = dict(sorted(answers.items()))
    if not is_open:
        operation["security"] = [{"token": []}]
