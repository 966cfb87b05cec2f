"""Answers: strict JSON, and files that somebody may still be writing."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.responses import Response, StreamingResponse

from medssl.core.files import to_text
from medssl.core.protocol import to_json

CHUNK = 2**20
MEANINGS = {
    400: "A value breaks a rule (InputError)",
    401: "No token, or a wrong one",
    403: "The host, the origin or the token's role is refused",
    404: "Not there (NotFoundError)",
    409: "The wrong moment (StateError)",
    413: "The body is too large",
    429: "The token's holder asks too often",
    507: "The machine lacks something, such as disk space or the device (ResourceError)",
}
ANY_FILE: dict[int | str, dict[str, Any]] = {200: {"description": "The file", "content": {"*/*": {}}}}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer instead, for its document."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": MEANINGS[status], "content": content} for status in statuses}


def shows(kind: type, status: int = 200, *, many: bool = False, why: str = "") -> dict[int | str, dict[str, Any]]:
    """What a route answers, for its document: a dataclass of the protocol, or a list of them.

    Given as `response_model`, FastAPI would build a validator of it for each route when the server starts, and use none.
    """
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{kind.__name__}"}
    schema = {"type": "array", "items": schema} if many else schema
    return {status: {"description": why or "Successful Response", "content": {"application/json": {"schema": schema}}}}


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Dataclasses and plain values as JSON without NaN."""
    return Response(to_text(to_json(value)), status, headers, media_type="application/json")


def file_answer(path: Path) -> StreamingResponse:
    """The file's bytes as of now: what is appended meanwhile (log, events) would break the announced length."""
    size = path.stat().st_size
    text = path.suffix in (".txt", ".csv", ".json", ".jsonl")
    kind = "text/plain; charset=utf-8" if text else mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Content-Length": str(size), "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(_first(path, size), media_type=kind, headers=headers)


def _first(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
