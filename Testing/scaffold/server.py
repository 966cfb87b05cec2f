"""A backend in memory: takes volumes and inspections as the server does; subclasses say what the answers are."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from medssl.core.errors import MedSSLError, NotFoundError
from medssl.core.plan import Plan
from medssl.core.protocol import END_STATES, ResultStatus, from_json, to_json
from medssl.core.registry import load
from medssl.handlers import INSPECTIONS
from medssl.tasks.described import abilities

DEVICES = [
    {"name": "cpu", "description": "2 cores", "memory_bytes": 8e9, "free_bytes": 6e9, "available": True, "note": ""}
]


@dataclass
class Result:
    """An inspection on its way."""

    status: ResultStatus
    request: Any
    looks: int = 0
    files: dict[str, bytes] = field(default_factory=dict)


def listed(model: dict[str, Any]) -> dict[str, Any]:
    """An entry of `GET /models` with what the model can be asked for, as the server finds it by the model's plan."""
    if not model["method"]:
        return {**model, "can": None}  # a foreign file
    plan = model["plan"] or {}
    return {**model, "can": abilities(Plan(model["method"], plan.get("network", {}), task=plan.get("task", {})))}


class FakeServer:
    """Answers the calls of `medssl.client.api`, over real requests and answers.

    A subclass has, for a kind of inspection, a method `_kind(request) -> (table, info, files)`.

    Attributes:
        polls: how often a result reads as running before it ends; None: until it is cancelled.
        fails: the error that an inspection ends with, or None.
        refusal: the error that whatever is sent to be done is refused with, or None.
        models, devices: what the server lists.
        calls: "METHOD path" of every call so far; `asked`: the requests among them; `volumes`: what was uploaded.
    """

    def __init__(self, polls: int | None = 2, fails: MedSSLError | None = None, models=(), devices=DEVICES) -> None:
        self.polls, self.fails, self.refusal, self.models, self.devices = polls, fails, None, list(models), devices
        self.calls: list[str] = []
        self.asked: list[Any] = []
        self.volumes: dict[str, bytes] = {}
        self.results: dict[str, Result] = {}

    @property
    def status(self) -> ResultStatus | None:
        """Of the newest inspection."""
        return list(self.results.values())[-1].status if self.results else None

    def answer(self, call) -> tuple[int, bytes]:
        """HTTP status and body."""
        self.calls.append(f"{call.method} {call.path}")
        path, _, query = call.path.partition("?")
        try:
            status, value = self._route(call, path.strip("/").split("/"), query)
        except MedSSLError as error:
            return 404 if isinstance(error, NotFoundError) else 400, json.dumps({"error": error.as_dict()}).encode()
        return status, value if isinstance(value, bytes) else json.dumps(to_json(value)).encode()

    def listings(self) -> dict[str, Any]:
        """What is answered to a plain GET, by path."""
        return {
            "jobs": [],
            "models": [listed(model) for model in self.models],
            "devices": self.devices,
            "health": {"app": "medssl"},
            "shutdown": {},
        }

    def _route(self, call, parts: list[str], query: str) -> tuple[int, Any]:
        if parts[0] == "volumes":
            return self._volume(call, parts[1])
        if parts[0] == "inspect":
            return self._inspect(parts[1], json.loads(call.body))
        if parts[0] == "results":
            return self._look(*parts[1:])
        return 200, self.listings()[parts[0]]

    def _volume(self, call, sha256: str) -> tuple[int, bytes]:
        if call.method == "HEAD":
            return 200 if sha256 in self.volumes else 404, b""
        self.volumes[sha256] = self.volumes.get(sha256, b"") + call.body
        return 201, b""

    def _inspect(self, kind: str, body: dict) -> tuple[int, ResultStatus]:
        if self.refusal is not None:
            raise self.refusal
        request = from_json(load(INSPECTIONS[kind].request), body)
        self.asked.append(request)
        status = ResultStatus(f"r{len(self.results) + 1}", kind, "queued")
        self.results[status.id] = Result(status, request)
        return 202, status

    def _look(self, identifier: str, what: str = "") -> tuple[int, Any]:
        """A look at a result, a file of it, or the wish to cancel it."""
        result = self.results[identifier]
        if what == "cancel":
            result.status = dataclasses.replace(result.status, state="cancelled")
        elif what:
            return 200, result.files[what]
        elif result.status.state not in END_STATES:
            self._advance(result)
        return 200, result.status

    def _advance(self, result: Result) -> None:
        result.looks += 1
        if self.polls is None or result.looks <= self.polls:
            share = 0.4 if self.polls is None else result.looks / (self.polls + 1)
            status = dict(state="running", progress=share, message="Window 4 of 9")
            result.status = dataclasses.replace(result.status, **status)
        elif self.fails is not None:
            result.status = dataclasses.replace(result.status, state="failed", error=self.fails.as_dict())
        else:
            self._finish(result)

    def _finish(self, result: Result) -> None:
        table, info, result.files = getattr(self, f"_{result.status.kind}")(result.request)
        result.status = dataclasses.replace(
            result.status, state="finished", progress=1.0, message="", files=tuple(result.files), table=tuple(table),
            info=info,
        )  # fmt: skip
