"""The HTTP application. It imports neither torch nor SimpleITK: heavy work is in jobs and in the warm worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI

from medssl import __version__
from medssl.core.home import make_home
from medssl.jobs.child import KINDS
from medssl.jobs.process import GRACE_S, enforce_asked
from medssl.jobs.store import JobStore
from medssl.server import error_answers as errors
from medssl.server.bodies import known_query
from medssl.server.document import complete
from medssl.server.gate.access import GIB, AccessControl, AccessRules
from medssl.server.gate.audit import Audit, AuditLog
from medssl.server.gate.rate import Rate
from medssl.server.gate.tokens import TokenBook
from medssl.server.gate.turns import Turns
from medssl.server.routes.about import about_routes
from medssl.server.routes.dataset_specs import dataset_spec_routes
from medssl.server.routes.inspect import inspect_routes
from medssl.server.routes.jobs import job_routes
from medssl.server.routes.volumes import volume_routes
from medssl.server.uploads import VolumeStore
from medssl.server.worker_process import INSPECTIONS, SILENCE_S, InspectionWorker


def create_app(
    home: Path,
    token: str,
    *,
    hosts: tuple[str, ...] = (),
    upload_limit: int = 8 * GIB,
    shutdown: Callable[[], None] = lambda: None,
    kinds: str = KINDS,
    inspections: str = INSPECTIONS,
    grace_s: float = GRACE_S,
    worker: InspectionWorker | None = None,
    silence_s: float = SILENCE_S,
    rate: float = 0.0,
) -> FastAPI:
    """Build the application over a home folder.

    Args:
        home: jobs, volumes and results live below it.
        token: the owner's bearer token; named ones stand in the home's tokens.json. Every call but the open ones carries one.
        hosts: host names to answer to, beside the loopback ones.
        upload_limit: largest volume, in bytes.
        shutdown: called by `POST /shutdown`.
        kinds: `module:TABLE` of the job kinds.
        inspections: `module:TABLE` of the inspections, whose routes follow from their lines.
        grace_s: seconds between the request to cancel a job and its end by force.
        worker: the inspection worker; by default one of its own.
        silence_s: seconds after which an inspection that reports nothing is ended (of an own worker).
        rate: requests per second that the holder of a named token may make; 0: no limit.
    """
    make_home(home)
    store, volumes = JobStore(home), VolumeStore(home)
    tokens, audit = TokenBook(home, token), AuditLog(home)
    worker = worker or InspectionWorker(home, inspections, silence_s=silence_s)
    worker.results.end_orphans()
    enforce_asked(store, grace_s)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        yield
        worker.close()
        audit.close()

    app = FastAPI(
        title="MedSSL", version=__version__, description="Self-supervised learning on medical images", lifespan=lifespan,
        separate_input_output_schemas=False, dependencies=[Depends(known_query)],
    )  # fmt: skip
    errors.install(app)
    app.include_router(about_routes(store, tokens, shutdown))
    app.include_router(dataset_spec_routes())
    app.include_router(job_routes(store, kinds, grace_s))
    app.include_router(volume_routes(volumes, upload_limit))
    app.include_router(inspect_routes(worker, volumes))
    app.add_middleware(AccessControl, rules=AccessRules(tokens, hosts, upload_limit, Rate(rate)))
    app.add_middleware(Audit, log=audit)  # around it: what was refused is noted too
    app.add_middleware(Turns)
    app.openapi = complete(app, worker.inspections)  # type: ignore[method-assign]
    return app
