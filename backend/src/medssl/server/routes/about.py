"""What this server is and has: `/health`, `/devices`, `/methods`, `/models`, and `/shutdown`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from medssl import __version__
from medssl.jobs.device_probe import probe
from medssl.jobs.store import JobStore
from medssl.server.answers import json_answer
from medssl.server.model_list import list_models
from medssl.tasks.described import describe_methods, describe_tasks

API = 1
PROBE_VALID_S = 30.0


def about_routes(store: JobStore, shutdown: Callable[[], None], probing: Callable[[], Any] = probe) -> APIRouter:
    """The routes that describe the server; `shutdown` ends it, jobs go on."""
    routes = APIRouter(tags=["server"])
    devices_known = _Remembered(probing, PROBE_VALID_S)

    @routes.get("/health")
    def health() -> dict[str, Any]:
        """The only call that needs no token."""
        return {"app": "medssl", "version": __version__, "api": API}

    @routes.get("/devices")
    def devices() -> Response:
        """What can be computed on here; asked of torch in a child process."""
        return json_answer(devices_known())

    @routes.get("/methods")
    def methods() -> Response:
        """Every pretraining method with its settings and presets."""
        return json_answer(describe_methods())

    @routes.get("/tasks")
    def tasks() -> Response:
        """Every downstream task with its settings and presets."""
        return json_answer(describe_tasks())

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
    """A slow answer that is used again for a while; askers meanwhile wait for the same one."""

    def __init__(self, ask: Callable[[], Any], valid_s: float) -> None:
        self._ask, self._valid_s, self._lock = ask, valid_s, threading.Lock()
        self._answer, self._until = None, 0.0

    def __call__(self) -> Any:
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = self._ask()
                self._until = time.monotonic() + self._valid_s
            return self._answer
