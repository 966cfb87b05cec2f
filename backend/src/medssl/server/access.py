"""Who may talk to the server: Host, Origin and token, and how much they may send. Plain ASGI, before any route."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from medssl.core.errors import AccessError, InputError, MedSSLError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN_PATHS = ("/health",)
GIB = 2**30
JSON_LIMIT = 16 * 2**20


@dataclass(frozen=True)
class AccessRules:
    """Token, accepted host names and bounds.

    Attributes:
        token: what `Authorization: Bearer` must carry.
        hosts: names the server answers to beside the loopback ones (a web page cannot rebind a name to reach it).
        upload_limit: largest volume in bytes.
    """

    token: str
    hosts: tuple[str, ...] = ()
    upload_limit: int = 8 * GIB

    def refusal(self, headers: Headers, path: str) -> tuple[int, MedSSLError] | None:
        """The status and error that answer a request which may not pass."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if _hostname(host) not in (*LOOPBACK, *self.hosts):
            remedy = "Use the address the server printed, or start it with this host"
            return 403, AccessError(f"host {host!r}", "is not the name of this server", remedy, code="host-refused")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, AccessError(
                f"origin {origin!r}", "may not use this server", "Web pages have no access", code="origin-refused"
            )
        if path not in OPEN_PATHS and not self._knows(headers.get("authorization", "")):
            return 401, AccessError(
                "token", "is missing or wrong", "Send the token of server.json as a bearer token", code="token-wrong"
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limit(path):
            return 413, TooLarge(self.limit(path)).error
        return None

    def limit(self, path: str) -> int:
        """Most bytes a request body may have."""
        return self.upload_limit if path.startswith("/volumes/") else JSON_LIMIT

    def _knows(self, authorization: str) -> bool:
        return hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode())


class AccessControl:
    """ASGI middleware that applies `AccessRules`, counting the bytes of bodies without a length, too."""

    def __init__(self, app: Any, rules: AccessRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self.rules.refusal(Headers(scope=scope), scope["path"])
        if refused:
            status, error = refused
            await JSONResponse({"error": error.as_dict()}, status)(scope, receive, send)
            return
        await self.app(scope, _bounded(receive, self.rules.limit(scope["path"])), send)


class TooLarge(HTTPException):
    """A body beyond its bound. An `HTTPException`, because the framework turns others into "bad request"."""

    def __init__(self, limit: int) -> None:
        super().__init__(413)
        rule = f"is larger than {limit} bytes"
        self.error = InputError(
            "request", rule, "Crop the volume, or raise the server's upload limit", code="too-large"
        )


def _bounded(receive: Any, limit: int) -> Any:
    seen = 0

    async def bounded() -> dict[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise TooLarge(limit)
        return message

    return bounded


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # a bracket without its partner
        return ""
