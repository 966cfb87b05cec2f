"""`/inspect` and `/results`: looking into models and training sets through the warm worker."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from starlette.concurrency import run_in_threadpool

from medssl.core.protocol import END_STATES, ResultStatus, to_json
from medssl.core.registry import load
from medssl.server.answers import ANY_FILE, errors, file_answer, json_answer, shows
from medssl.server.bodies import JsonBody
from medssl.server.uploads import VolumeStore
from medssl.server.worker_process import InspectionWorker

LONGEST_WAIT_S = 10.0
DONE = shows(ResultStatus, why="It has ended in time")
Wait = Annotated[float, Query(ge=0, description="Seconds, 10 at most: answers 200 where it is done in time, else 202.")]


def inspect_routes(worker: InspectionWorker, volumes: VolumeStore) -> APIRouter:
    """The routes over one worker; uploads are looked up in `volumes` before anything is queued."""
    routes = APIRouter(tags=["inspections"])
    results = worker.results

    for name, inspection in worker.inspections.items():
        kind = load(inspection.request)
        routes.add_api_route(
            f"/inspect/{name}", _endpoint(name, kind, worker, volumes), methods=["POST"], status_code=202,
            operation_id=name, summary=inspection.summary, description=inspect.cleandoc(kind.__doc__),
            responses=shows(ResultStatus, 202) | DONE | errors(404, 507),
            openapi_extra=JsonBody(kind).document,
        )  # fmt: skip

    @routes.get("/results/{result}", responses=shows(ResultStatus) | errors(404))
    def result(result: str) -> Response:
        """How far an inspection is, or what it found."""
        return json_answer(results.status(result))

    @routes.post("/results/{result}/cancel", responses=shows(ResultStatus) | errors(404, 409))
    def cancel(result: str) -> Response:
        """Ask an inspection to stop; one that waits for others has ended at once."""
        return json_answer(worker.cancel(result))

    @routes.get("/results/{result}/{name:path}", response_class=Response, responses=ANY_FILE | errors(404))
    def file(result: str, name: str) -> Response:
        """One of the files an inspection left."""
        return file_answer(results.file(result, name))

    return routes


def _endpoint(name: str, kind: Any, worker: InspectionWorker, volumes: VolumeStore) -> Callable[..., Any]:
    """The function behind `/inspect/<name>`; FastAPI reads the body's class from its annotation, so that is no text here."""

    def begin(request: Any) -> ResultStatus:
        volumes.check(request)
        return worker.submit(name, to_json(request))

    async def ask(request: Annotated[kind, Depends(JsonBody(kind))], wait: Wait = 0.0) -> Response:  # type: ignore[valid-type]
        status = await run_in_threadpool(begin, request)
        if wait:
            await _ended(worker, status.id, min(wait, LONGEST_WAIT_S))
            status = await run_in_threadpool(worker.results.status, status.id)
        return json_answer(status, 200 if status.state in END_STATES else 202)

    return ask


async def _ended(worker: InspectionWorker, result: str, seconds: float) -> None:
    """Return once the result has ended, or when the time is up; no thread waits."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def notify() -> None:
        with suppress(RuntimeError):  # the loop has ended before the inspection
            loop.call_soon_threadsafe(ended.set)

    worker.when_ended(result, notify)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
