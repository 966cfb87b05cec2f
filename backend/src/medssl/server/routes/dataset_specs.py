"""`/dataset-specs`: ready-made ones, and between YAML and JSON for a form.

What reads them, the library of YAML among it, is imported by the first call: servers start quickly.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body, Response

from medssl.core.errors import InputError
from medssl.core.files import expanded
from medssl.server.answers import errors, json_answer


def dataset_spec_routes() -> APIRouter:
    """The routes; no image or table is opened."""
    routes = APIRouter(tags=["dataset specs"])

    @routes.get("/dataset-specs")
    def dataset_specs() -> Response:
        """Ready-made dataset specs of public sets, without a root."""
        from medssl.datasets.spec.spec_files import ready_made

        made = ready_made().values()
        return json_answer([{"name": one.name, "title": one.title, "spec": one.as_dict()} for one in made])

    @routes.post("/dataset-specs/read", responses=errors(404, 507), openapi_extra=_body({"path"}, {"text"}))
    def read(body: dict[str, Any] = Body()) -> Response:
        """A dataset spec's file on this machine ({"path"}), or the text of one ({"text"}), as JSON."""
        from medssl.datasets.spec.spec_files import parse_dataset_spec, read_dataset_spec

        if set(body) == {"path"} and isinstance(body["path"], str):
            return json_answer(read_dataset_spec(expanded(body["path"])).as_dict())
        if set(body) == {"text"} and isinstance(body["text"], str):
            return json_answer(parse_dataset_spec(body["text"]).as_dict())
        raise InputError(f"fields {', '.join(body) or 'none'}", "must be path or text", "Send one of the two")

    @routes.post("/dataset-specs/text", openapi_extra=_body({"spec"}))
    def text(body: dict[str, Any] = Body()) -> Response:
        """A dataset spec (JSON) as a YAML file."""
        from medssl.datasets.spec.spec import DatasetSpec
        from medssl.datasets.spec.spec_files import to_yaml

        if set(body) != {"spec"} or not isinstance(body["spec"], dict):
            raise InputError(
                f"fields {', '.join(body) or 'none'}", "must be spec, a JSON object", "Send the dataset spec"
            )
        return json_answer({"text": to_yaml(DatasetSpec.from_dict(body["spec"]))})

    return routes


def _body(*choices: set[str]) -> dict[str, Any]:
    """What the document says of a body with one of these sets of fields."""
    types = {"spec": {"type": "object"}}
    one_of = [
        {
            "required": sorted(fields),
            "properties": {name: types.get(name, {"type": "string", "minLength": 1}) for name in fields},
            "additionalProperties": False,
        }
        for fields in choices
    ]
    return {"requestBody": {"content": {"application/json": {"schema": {"oneOf": one_of}}}}}
