"""`/inspect` and `/results`: looking into models and training sets through the warm worker."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body, Response

from medssl.errors import NotFoundError
from medssl.protocol import (
    CatalogRequest,
    PreviewRequest,
    RestoreRequest,
    ResultStatus,
    VolumeRef,
    catalog_from_json,
    preview_from_json,
    restore_from_json,
    to_json,
)  # fmt: skip
from medssl.server.answers import file_answer, json_answer
from medssl.server.bodies import read_body
from medssl.server.openapi import body_of
from medssl.server.volumes import VolumeStore
from medssl.server.worker import InspectionWorker


def inspect_routes(worker: InspectionWorker, volumes: VolumeStore) -> APIRouter:
    """The routes over one worker; uploads are looked up in `volumes` before anything is queued."""
    routes = APIRouter(tags=["inspections"])
    results = worker.results

    def queue(kind: str, request: Any) -> Response:
        _check_uploads(request, volumes)
        return json_answer(worker.submit(kind, to_json(request)), 202)

    @routes.post(
        "/inspect/restore", status_code=202, response_model=ResultStatus, openapi_extra=body_of("RestoreRequest")
    )
    def restore(request: dict[str, Any] = Body()) -> Response:
        """Distort a volume and let a model restore it."""
        return queue("restore", read_body(RestoreRequest, restore_from_json, request))

    @routes.post(
        "/inspect/preview", status_code=202, response_model=ResultStatus, openapi_extra=body_of("PreviewRequest")
    )
    def preview(request: dict[str, Any] = Body()) -> Response:
        """Cubes of a training set and their distortions."""
        return queue("preview", read_body(PreviewRequest, preview_from_json, request))

    @routes.post(
        "/inspect/catalog", status_code=202, response_model=ResultStatus, openapi_extra=body_of("CatalogRequest")
    )
    def catalog(request: dict[str, Any] = Body()) -> Response:
        """What is in a training set."""
        return queue("catalog", read_body(CatalogRequest, catalog_from_json, request))

    @routes.get("/results/{result}", response_model=ResultStatus)
    def result(result: str) -> Response:
        """How far an inspection is, or what it found."""
        return json_answer(results.status(result))

    @routes.post("/results/{result}/cancel", response_model=ResultStatus)
    def cancel(result: str) -> Response:
        """Ask an inspection to stop."""
        results.request_cancel(result)
        return json_answer(results.status(result))

    @routes.get("/results/{result}/{name:path}")
    def file(result: str, name: str) -> Response:
        """One of the files an inspection left."""
        return file_answer(results.file(result, name))

    return routes


def _check_uploads(request: Any, volumes: VolumeStore) -> None:
    refs: tuple[VolumeRef, ...] = (request.volume,) if hasattr(request, "volume") else request.data.volumes
    for ref in refs:
        if ref.sha256 and not volumes.has(ref.sha256):
            raise NotFoundError(f"volume {ref.name or ref.sha256[:12]}", "was not uploaded", "Upload it first")
