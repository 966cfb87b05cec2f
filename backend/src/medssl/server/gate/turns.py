"""Few questions are worked on at once; the others wait where waiting costs nothing, so that what is asked of the server's health gets through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

AT_ONCE = 3
WITHOUT = ("/health", "/proof", "/devices")  # answered at once, or waiting for something else than the processor

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Turns:
    """ASGI middleware: at most `at_once` GETs on their way to an answer.

    A place is given back as soon as the answer begins: a client that reads slowly keeps nobody waiting. Requests that wait
    (`?wait=`) and requests with a body take no place.
    """

    def __init__(self, app: Any, at_once: int = AT_ONCE) -> None:
        self._app, self._places = app, asyncio.Semaphore(at_once)

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        """Wait for a place, and answer."""
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or scope["path"] in WITHOUT
            or b"wait=" in scope["query_string"]
        ):
            await self._app(scope, receive, send)
            return
        await self._places.acquire()
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._places.release()

        async def begin(message: Message) -> None:
            give_back()
            await send(message)

        try:
            await self._app(scope, receive, begin)
        finally:
            give_back()
