"""`/volumes/{sha256}`: upload once per content."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakValueDictionary

from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool

from medssl.core.errors import InputError
from medssl.server.answers import errors
from medssl.server.gate.access import TooLarge
from medssl.server.uploads import RANGE, SHA256, Piece, VolumeStore, append

CHUNK = 4 * 2**20
Sha256 = Annotated[str, InPath(json_schema_extra={"pattern": f"^{SHA256.pattern}$"})]
Range = Annotated[str | None, Header(json_schema_extra={"pattern": f"^{RANGE.pattern}$"})]
OFFSET = {"Upload-Offset": {"description": "Bytes that are here", "schema": {"type": "integer"}}}
NOT_WHOLE: dict[str, Any] = {"description": "Not here, or not whole", "headers": OFFSET}
TAKEN: dict[int | str, dict[str, Any]] = {
    200: {"description": "It was here already"},
    202: {"description": "A piece was taken, more must follow", "headers": OFFSET},
}
RAW = {"requestBody": {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}


def volume_routes(store: VolumeStore, limit: int) -> APIRouter:
    """The routes over one volume store; `limit` in bytes."""
    routes = APIRouter(tags=["volumes"])
    busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # pieces of one volume come one after another

    @routes.head("/volumes/{sha256}", response_class=Response, responses={404: NOT_WHOLE})
    def known(sha256: Sha256) -> Response:
        """200 when the volume is here; otherwise 404, and Upload-Offset tells how many bytes of it are."""
        if store.has(sha256):
            return Response(status_code=200)
        return Response(status_code=404, headers={"Upload-Offset": str(store.received(sha256))})

    @routes.put(
        "/volumes/{sha256}",
        status_code=201,
        response_class=Response,
        responses=TAKEN | errors(409, 507),
        openapi_extra=RAW,
    )
    async def upload(sha256: Sha256, request: Request, content_range: Range = None) -> Response:
        """Raw bytes of an NRRD file with its data attached, at once or in pieces (Content-Range)."""
        piece = Piece.parse(content_range) if content_range else None
        if piece and piece.total > limit:
            raise TooLarge(limit)
        if store.has(sha256):
            return await _known_already(request)
        if piece is None:
            part = store.begin(sha256, None)
            await _receive(request, part)
            await run_in_threadpool(store.finish, sha256, part)
            return Response(status_code=201)
        turn = busy.setdefault(sha256, asyncio.Lock())  # kept alive by whoever waits for it
        async with turn:
            if store.has(sha256):  # someone else sent the last piece meanwhile
                return await _known_already(request)
            return await _take_piece(store, sha256, piece, request)

    return routes


async def _known_already(request: Request) -> Response:
    async for _ in request.stream():
        pass  # read and forget: a client that is still sending would see a broken connection
    return Response(status_code=200)


async def _take_piece(store: VolumeStore, sha256: str, piece: Piece, request: Request) -> Response:
    part = store.begin(sha256, piece)
    await _receive(request, part, keep=True)
    here = store.received(sha256)
    if here > piece.stop:  # what came beyond is of no known place
        await run_in_threadpool(store.cut, sha256, piece.start)
    if here != piece.stop:
        raise InputError(
            f"piece of {here - piece.start} bytes",
            "differs from its Content-Range",
            "Send it again",
            code="content-range",
        )
    if here < piece.total:
        return Response(status_code=202, headers={"Upload-Offset": str(here)})
    await run_in_threadpool(store.finish, sha256, part)
    return Response(status_code=201)


async def _receive(request: Request, part: Path, keep: bool = False) -> None:
    """Write the body to `part`; a whole upload that breaks off leaves nothing behind, a piece what has come."""
    waiting = bytearray()
    try:
        async for data in request.stream():
            waiting += data
            if len(waiting) >= CHUNK:
                await run_in_threadpool(append, part, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(append, part, bytes(waiting))
    except BaseException:
        if keep:  # also what waits here has come: the offset that is given next must be the true one
            append(part, bytes(waiting))
        else:
            part.unlink(missing_ok=True)
        raise
