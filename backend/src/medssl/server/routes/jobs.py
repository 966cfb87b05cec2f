"""`/jobs`: submit, list, follow, cancel, resume, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from medssl.core.protocol import JobSpec, JobView, check_version
from medssl.jobs import process
from medssl.jobs.rounds import rounds_of
from medssl.jobs.store import JobStore
from medssl.server.answers import ANY_FILE, errors, file_answer, json_answer, shows
from medssl.server.bodies import JsonBody
from medssl.server.uploads import VolumeStore

SPEC = JsonBody(JobSpec)
Spec = Annotated[JobSpec, Depends(SPEC)]


def job_routes(store: JobStore, kinds: str, grace_s: float) -> APIRouter:
    """The routes over one job store; `grace_s` seconds after a cancel the job is ended by force."""
    routes = APIRouter(tags=["jobs"])

    @routes.post(
        "/jobs", status_code=201, responses=shows(JobView, 201) | errors(404, 507), openapi_extra=SPEC.document
    )
    def submit(spec: Spec) -> Response:
        """Make a job and start its process."""
        check_version(spec.version)
        VolumeStore(store.home).check(spec)
        made = process.submit(store, spec, kinds)
        return json_answer(store.view(made), 201, {"Location": f"/jobs/{made}"})

    @routes.get("/jobs", responses=shows(JobView, many=True))
    def jobs() -> Response:
        """All jobs, newest first."""
        return json_answer(store.list())

    @routes.get("/jobs/{job}", responses=shows(JobView) | errors(404))
    def job(job: str) -> Response:
        """One job."""
        return json_answer(store.view(job))

    @routes.get("/jobs/{job}/events", responses=errors(404))
    def events(job: str, after: int = Query(0, ge=0)) -> Response:
        """Events from number `after` on; go on with `next`."""
        found, following = store.events(job, after)
        return json_answer({"events": found, "next": following})

    @routes.get("/jobs/{job}/rounds", responses=errors(404))
    def rounds(job: str) -> Response:
        """The chain of fine-tunings that ends with the job, each begun with the model of the one before."""
        return json_answer(rounds_of(store, job))

    @routes.post("/jobs/{job}/cancel", responses=shows(JobView) | errors(404, 409, 507))
    def cancel(job: str) -> Response:
        """Ask the job to stop; it is ended by force if it does not."""
        store.request_cancel(job)
        process.enforce_cancel_beside(store, job, grace_s)
        return json_answer(store.view(job))

    @routes.post("/jobs/{job}/resume", responses=shows(JobView) | errors(404, 409, 507))
    def resume(job: str) -> Response:
        """Go on with a cancelled, failed or interrupted job."""
        process.resume(store, job, kinds)
        return json_answer(store.view(job))

    @routes.delete("/jobs/{job}", status_code=204, responses=errors(404, 409, 507))
    def remove(job: str) -> Response:
        """Delete the job and everything it made."""
        store.remove(job)
        return Response(status_code=204)

    @routes.get("/jobs/{job}/files/{name:path}", response_class=Response, responses=ANY_FILE | errors(404))
    def file(job: str, name: str) -> Response:
        """A file of the job."""
        return file_answer(store.file(job, name))

    return routes
