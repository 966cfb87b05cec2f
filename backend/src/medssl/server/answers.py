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


def json_answer(value: Any, status: int = 200) -> Response:
    """Dataclasses and plain values as JSON without NaN."""
    return Response(to_text(to_json(value)), status, media_type="application/json")


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
