"""`/volumes/{sha256}`: upload once per content."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from medssl.core.errors import InputError
from medssl.server.access import TooLarge
from medssl.server.uploads import Piece, VolumeStore, append

CHUNK = 4 * 2**20


def volume_routes(store: VolumeStore, limit: int) -> APIRouter:
    """The routes over one volume store; `limit` in bytes."""
    routes = APIRouter(tags=["volumes"])
    busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # pieces of one volume come one after another

    @routes.head("/volumes/{sha256}")
    def known(sha256: str) -> Response:
        """200 when the volume is here; otherwise 404, and Upload-Offset tells how many bytes of it are."""
        if store.has(sha256):
            return Response(status_code=200)
        return Response(status_code=404, headers={"Upload-Offset": str(store.received(sha256))})

    @routes.put("/volumes/{sha256}", status_code=201)
    async def upload(sha256: str, request: Request, content_range: str | None = Header(None)) -> Response:
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
        async with busy[sha256]:
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
        if not keep:
            part.unlink(missing_ok=True)
        raise
