"""Who may talk to the server: Host, Origin and token, and how much they may send. Plain ASGI, before any route."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from medssl.core.errors import AccessError, InputError, MedSSLError
from medssl.server.gate.rate import Rate
from medssl.server.gate.tokens import LOOK, Holder, TokenBook

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN_PATHS = ("/health", "/proof")
READING = ("GET", "HEAD")
GIB = 2**30
JSON_LIMIT = 16 * 2**20
RECOGNISED = "medssl.recognised"  # in the scope's state: what to call when a connection has shown a token
HOLDER = "medssl.holder"  # in the scope: whose token it was


@dataclass(frozen=True)
class Refusal:
    """The answer to a request that may not pass."""

    status: int
    error: MedSSLError
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AccessRules:
    """Tokens, accepted host names and bounds.

    Attributes:
        tokens: who may pass.
        hosts: names the server answers to beside the loopback ones (a web page cannot rebind a name to reach it).
        upload_limit: largest volume in bytes.
        rate: how often the holder of a named token may ask.
    """

    tokens: TokenBook
    hosts: tuple[str, ...] = ()
    upload_limit: int = 8 * GIB
    rate: Rate = field(default_factory=lambda: Rate(0))

    def foreign(self, headers: Headers) -> Refusal | None:
        """The refusal of a request that a web page or another name brought here."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if _hostname(host) not in (*LOOPBACK, *self.hosts):
            remedy = "Use the address the server printed, or start it with this host"
            return Refusal(
                403, AccessError(f"host {host!r}", "is not the name of this server", remedy, code="host-refused")
            )
        if origin is not None and origin.partition("://")[2] != host:
            return Refusal(403, AccessError(
                f"origin {origin!r}", "may not use this server", "Web pages have no access", code="origin-refused"
            ))  # fmt: skip
        return None

    def closed(self, holder: Holder | None, method: str, path: str) -> Refusal | None:
        """The refusal of a request whose token does not open what it asks for, or not yet."""
        if path in OPEN_PATHS:
            return None
        if holder is None:
            remedy = "Send the token of server.json, or one of `medssl tokens add`, as a bearer token"
            error = AccessError("token", "is missing or wrong", remedy, code="token-wrong")
            return Refusal(401, error, {"WWW-Authenticate": "Bearer"})
        if holder.role == LOOK and method not in READING:
            remedy = "Ask the server's owner for a token with the role run"
            return Refusal(403, AccessError(
                f"token of {holder.name}", f"may only look, not {method}", remedy, code="role-refused"
            ))  # fmt: skip
        if holder.id and (pause := self.rate.take(holder.id)):
            error = AccessError(
                f"token of {holder.name}", "asks too often", "Ask again a little later", code="rate-exceeded"
            )
            return Refusal(429, error, {"Retry-After": str(math.ceil(pause))})
        return None

    def oversize(self, headers: Headers, path: str) -> Refusal | None:
        """The refusal of a body that is announced as too large."""
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) <= self.limit(path):
            return None
        return Refusal(413, TooLarge(self.limit(path)).error)

    def limit(self, path: str) -> int:
        """Most bytes a request body may have."""
        return self.upload_limit if path.startswith("/volumes/") else JSON_LIMIT


class AccessControl:
    """ASGI middleware that applies `AccessRules`, counting the bytes of bodies without a length, too."""

    def __init__(self, app: Any, rules: AccessRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refusal(scope, Headers(scope=scope))
        if refused:
            answer = JSONResponse({"error": refused.error.as_dict()}, refused.status, refused.headers)
            await answer(scope, receive, send)
            return
        await self.app(scope, _bounded(receive, self.rules.limit(scope["path"])), send)

    def _refusal(self, scope: dict[str, Any], headers: Headers) -> Refusal | None:
        rules, path = self.rules, scope["path"]
        if refused := rules.foreign(headers):
            return refused
        holder = rules.tokens.holder(headers.get("authorization", ""))
        if holder:
            scope[HOLDER] = holder
            scope.get("state", {}).get(RECOGNISED, _nobody)()
        return rules.closed(holder, scope["method"], path) or rules.oversize(headers, path)


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


def _nobody() -> None:
    """The connection is of a server without places, in a test."""


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # a bracket without its partner
        return ""
