"""What this server is and has: `/health`, `/devices`, `/methods`, `/models`, and `/shutdown`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from medssl import __version__
from medssl.core.errors import NotFoundError
from medssl.core.protocol import token_proof
from medssl.jobs.device_probe import probe
from medssl.jobs.store import JobStore
from medssl.server.answers import errors, json_answer
from medssl.server.gate.tokens import TokenBook
from medssl.server.model_list import list_models
from medssl.tasks.described import describe_methods, describe_tasks

API = 1
PROBE_VALID_S = 30.0


Nonce = Annotated[str, Query(pattern="^[0-9a-f]{32,128}$", description="Random, new for each call.")]
TokenId = Annotated[str, Query(pattern="^([0-9a-f]{8})?$", description="Of a named token; empty: the owner's.")]


def about_routes(
    store: JobStore, tokens: TokenBook, shutdown: Callable[[], None], probing: Callable[[], Any] = probe
) -> APIRouter:
    """The routes that describe the server; `shutdown` ends it, jobs go on."""
    routes = APIRouter(tags=["server"])
    devices_known = _Remembered(probing, PROBE_VALID_S)
    methods_answer = cache(lambda: json_answer(describe_methods()))  # tens of milliseconds each, always the same
    tasks_answer = cache(lambda: json_answer(describe_tasks()))

    @routes.get("/health")
    async def health() -> dict[str, Any]:
        """Name and version; needs no token, and is answered however busy the threads are."""
        return {"app": "medssl", "version": __version__, "api": API}

    @routes.get("/proof", responses=errors(404))
    async def proof(nonce: Nonce, token: TokenId = "") -> dict[str, str]:
        """Show that this server knows a token, before a client sends it: HMAC-SHA256 of the nonce; needs no token."""
        key = tokens.key(token)
        if key is None:
            raise NotFoundError("token", "is not known here", "Check address and token", code="token-not-found")
        return {"proof": token_proof(key, nonce)}

    @routes.get("/devices")
    async def devices() -> Response:
        """What can be computed on here; asked of torch in a child process."""
        return json_answer(await devices_known())

    @routes.get("/methods")
    def methods() -> Response:
        """Every pretraining method with its settings and presets."""
        return methods_answer()

    @routes.get("/tasks")
    def tasks() -> Response:
        """Every downstream task with its settings and presets."""
        return tasks_answer()

    @routes.get("/models")
    def models() -> Response:
        """Models of finished jobs, and weight files below `<home>/models`; only headers are read."""
        return json_answer(list_models(store))

    @routes.post("/shutdown", status_code=202)
    def end() -> Response:
        """End the server; running jobs go on."""
        shutdown()
        return json_answer({"ending": True}, 202)

    return routes


class _Remembered:
    """A slow answer that is used again for a while; who asks meanwhile waits for the same one, and takes no thread for it."""

    def __init__(self, ask: Callable[[], Any], valid_s: float) -> None:
        self._ask, self._valid_s, self._until = ask, valid_s, 0.0
        self._answer: asyncio.Future[Any] | None = None

    async def __call__(self) -> Any:
        if self._answer is None or (self._answer.done() and time.monotonic() >= self._until):
            loop = asyncio.get_running_loop()
            self._answer = loop.create_future()
            # of its own: the pool's threads are for short answers, and the server's end waits for those
            threading.Thread(target=self._work, args=(loop, self._answer), name="probe", daemon=True).start()
        return await asyncio.shield(self._answer)  # one who leaves does not end it for the others

    def _work(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any]) -> None:
        try:
            found, note = self._ask(), answer.set_result
            self._until = time.monotonic() + self._valid_s
        except Exception as error:  # the thread's border: whoever waits gets it
            found, note = error, answer.set_exception
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(note, found)
