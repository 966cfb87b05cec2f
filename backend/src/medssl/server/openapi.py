"""OpenAPI descriptions of the request bodies, made from the protocol's dataclasses when somebody asks for them."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from medssl.core.protocol import JobSpec
from medssl.core.requests import (
    CatalogRequest,
    CorrespondRequest,
    CosegmentRequest,
    LandmarksRequest,
    PatchmapRequest,
    PlaneRequest,
    PredictRequest,
    PreviewRequest,
    RestoreRequest,
    RetrieveRequest,
    SaliencyRequest,
    SegmentRequest,
    SimilarityRequest,
)

BODIES = (
    JobSpec, RestoreRequest, PreviewRequest, CatalogRequest,
    CorrespondRequest, SimilarityRequest, CosegmentRequest, PatchmapRequest, PlaneRequest, LandmarksRequest,
    SegmentRequest, PredictRequest, RetrieveRequest, SaliencyRequest,
)  # fmt: skip
REFERENCE = "#/components/schemas/{model}"


def body_of(name: str) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is one of the protocol's requests."""
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(model=name)}}}
    return {"requestBody": {"content": content, "required": True}}


def install(app: FastAPI) -> None:
    """Add the requests' schemas to the app's document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            made.setdefault("components", {}).setdefault("schemas", {}).update(_schemas())
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _schemas() -> dict[str, Any]:
    from pydantic import TypeAdapter

    mode: Literal["validation"] = "validation"
    inputs: list[tuple[type, Literal["validation"], TypeAdapter[Any]]] = [
        (kind, mode, TypeAdapter(kind)) for kind in BODIES
    ]
    return TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)[1]["$defs"]
