"""`/inspect` and `/results`: looking into models and training sets through the warm worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response

from medssl.core.protocol import END_STATES, ResultStatus, to_json
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
    catalog_from_json,
    images_from_json,
    landmarks_from_json,
    plane_from_json,
    preview_from_json,
    restore_from_json,
    retrieve_from_json,
    saliency_from_json,
    segment_from_json,
)
from medssl.server.answers import file_answer, json_answer
from medssl.server.bodies import read_body
from medssl.server.openapi import body_of
from medssl.server.results import ResultStore
from medssl.server.uploads import VolumeStore
from medssl.server.worker_process import InspectionWorker

Reader = Callable[[dict[str, Any]], Any]


def _of_images(kind: type) -> tuple[type, Reader]:
    return kind, partial(images_from_json, kind)


INSPECTIONS: dict[str, tuple[tuple[type, Reader], str]] = {  # one line is a route
    "restore": ((RestoreRequest, restore_from_json), "Distort a volume and let a model restore it."),
    "preview": ((PreviewRequest, preview_from_json), "Cubes of a training set and their distortions."),
    "catalog": ((CatalogRequest, catalog_from_json), "What is in a training set."),
    "plane": ((PlaneRequest, plane_from_json), "The 2D image that a view makes of a 3D volume."),
    "correspond": (_of_images(CorrespondRequest), "Places of equal anatomy in several radiographs."),
    "similarity": (_of_images(SimilarityRequest), "Where in each radiograph is what lies at a point of one?"),
    "cosegment": (_of_images(CosegmentRequest), "Parts of equal anatomy in several radiographs."),
    "patchmap": (_of_images(PatchmapRequest), "A plane in which patches of equal descriptors lie together."),
    "landmarks": ((LandmarksRequest, landmarks_from_json), "How far from known landmarks do models find them?"),
    "segment": ((SegmentRequest, segment_from_json), "Segment an image with a fine-tuned model."),
    "predict": (_of_images(PredictRequest), "Probabilities of a fine-tuned classifier, a probe or a pretrained Ark."),
    "retrieve": ((RetrieveRequest, retrieve_from_json), "The most similar images of a set to one image."),
    "saliency": (
        (SaliencyRequest, saliency_from_json),
        "Where in a radiograph does a finding's probability come from?",
    ),
}
LONGEST_WAIT_S = 10.0
POLL_S = 0.003
Wait = Annotated[float, Query(ge=0, description="Seconds, 10 at most: answers 200 where it is done in time, else 202.")]


def inspect_routes(worker: InspectionWorker, volumes: VolumeStore) -> APIRouter:
    """The routes over one worker; uploads are looked up in `volumes` before anything is queued."""
    routes = APIRouter(tags=["inspections"])
    results = worker.results

    def add(name: str, kind: type, read: Reader, summary: str) -> None:
        def inspect(request: Annotated[dict[str, Any], Body()], wait: Wait = 0.0) -> Response:
            asked = read_body(kind, read, request)
            _check_uploads(asked, volumes)
            status = worker.submit(name, to_json(asked))
            if wait:
                status = _wait(results, status, min(wait, LONGEST_WAIT_S))
            return json_answer(status, 200 if status.state in END_STATES else 202)

        extra = body_of(kind.__name__)
        routes.add_api_route(
            f"/inspect/{name}", inspect, methods=["POST"], status_code=202, response_model=ResultStatus,
            operation_id=name, summary=summary, openapi_extra=extra,
        )  # fmt: skip

    for name, ((kind, read), summary) in INSPECTIONS.items():
        add(name, kind, read, summary)

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


def _wait(results: ResultStore, status: ResultStatus, seconds: float) -> ResultStatus:
    """The result once it has ended, or as it is when the time is up."""
    end = time.monotonic() + seconds
    while status.state not in END_STATES and time.monotonic() < end:
        time.sleep(POLL_S)
        status = results.status(status.id)
    return status


def _check_uploads(request: Any, volumes: VolumeStore) -> None:
    one = (request.volume,) if hasattr(request, "volume") else ()
    listed = request.data.volumes if hasattr(request, "data") else ()
    volumes.check((*one, *getattr(request, "images", ()), *listed))
