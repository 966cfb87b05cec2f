"""`/inspect` and `/results`: looking into models and training sets through the warm worker."""

import inspect
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from medssl.core.protocol import END_STATES, ResultStatus, to_json
from medssl.core.registry import load
from medssl.server.answers import file_answer, json_answer
from medssl.server.results import ResultStore
from medssl.server.uploads import VolumeStore
from medssl.server.worker_process import InspectionWorker

LONGEST_WAIT_S = 10.0
POLL_S = 0.003
Wait = Annotated[float, Query(ge=0, description="Seconds, 10 at most: answers 200 where it is done in time, else 202.")]


def inspect_routes(worker: InspectionWorker, volumes: VolumeStore) -> APIRouter:
    """The routes over one worker; uploads are looked up in `volumes` before anything is queued."""
    routes = APIRouter(tags=["inspections"])
    results = worker.results

    for name, inspection in worker.inspections.items():
        kind = load(inspection.request)
        routes.add_api_route(
            f"/inspect/{name}", _endpoint(name, kind, worker, volumes), methods=["POST"], status_code=202,
            response_model=ResultStatus, operation_id=name, summary=inspection.summary,
            description=inspect.cleandoc(kind.__doc__),
        )  # fmt: skip

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


def _endpoint(name: str, kind: Any, worker: InspectionWorker, volumes: VolumeStore) -> Callable[..., Response]:
    """The function behind `/inspect/<name>`; FastAPI reads the body's class from its annotation, so that is no text here."""

    def ask(request: kind, wait: Wait = 0.0) -> Response:  # type: ignore[valid-type]
        volumes.check(request)
        status = worker.submit(name, to_json(request))
        if wait:
            status = _wait(worker.results, status, min(wait, LONGEST_WAIT_S))
        return json_answer(status, 200 if status.state in END_STATES else 202)

    return ask


def _wait(results: ResultStore, status: ResultStatus, seconds: float) -> ResultStatus:
    """The result once it has ended, or as it is when the time is up."""
    end = time.monotonic() + seconds
    while status.state not in END_STATES and time.monotonic() < end:
        time.sleep(POLL_S)
        status = results.status(status.id)
    return status
