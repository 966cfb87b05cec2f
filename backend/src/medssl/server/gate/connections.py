"""Connections: how many there may be, and how long one may take to say what it wants.

uvicorn's HTTP/1.1 protocol bounds neither. Here a connection that has not sent a whole request head in time is closed, one whose
request body stands still is closed, and connections that have shown no token share few places: a new one takes that of the
oldest. So half-sent requests cost nobody else a place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from medssl.server.gate.access import LOOPBACK, RECOGNISED


@dataclass(frozen=True)
class ConnectionLimits:
    """Bounds of a server's connections.

    Attributes:
        head_s: longest time from the connection's begin, or from the last answer, to a whole request head.
        body_s: in each stretch of so many seconds ...
        body_bytes: ... at least so many bytes of an unfinished body must come.
        strangers: places for connections that have shown no token; several times what is accepted in a turn of the loop,
            since a head is read only two turns later.
        strangers_of_peer: of those, for one address; it does not count for loopback, where proxies and tunnels end.
        known: places for connections that have shown a token.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    body_bytes: int = 30 * 2**10
    strangers: int = 512
    strangers_of_peer: int = 16
    known: int = 448


def guarded(limits: ConnectionLimits = ConnectionLimits()) -> Any:
    """What uvicorn calls for each connection, its `http`: one set of places for all of them."""
    return partial(GuardedProtocol, places=Places(limits))


class GuardedProtocol(H11Protocol):
    """One connection. It is busy while a request whose head has come is not answered."""

    def __init__(self, *args: Any, places: Places, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app_state = {**self.app_state, RECOGNISED: self._recognise}
        self.is_known, self.peer = False, ""
        self._places, self._limits = places, places.limits
        self._idle_since = self._stretch_since = self.loop.time()
        self._came, self._expecting = 0, False  # bytes in the current stretch; whether it is one of an unfinished body

    @property
    def busy(self) -> bool:
        """Whether it is the server's turn, or a body's bytes are on their way."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place."""
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self._places.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count, and go on."""
        self._came += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def end(self) -> None:
        """Close at once; who waits for the body learns of it."""
        self.transport.abort()

    def check(self, now: float) -> None:
        """End the connection where it is too slow."""
        if not self.busy and now - self._idle_since > self._limits.head_s:
            self.end()
        expected = self.busy and self._body_expected()
        if expected and self._expecting:
            if now - self._stretch_since < self._limits.body_s:
                return
            if self._came < self._limits.body_bytes:
                self.end()
        self._expecting, self._stretch_since, self._came = expected, now, 0

    def _body_expected(self) -> bool:
        """Whether it is the client's turn: not while the server reads no further, or has not yet asked for the body."""
        return self.cycle.more_body and not self.flow.read_paused and not self.cycle.waiting_for_100_continue

    def _recognise(self) -> None:
        if not self.is_known:
            self.is_known = True
            self._places.recognised(self)


class Places:
    """The open connections, oldest first."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: dict[GuardedProtocol, None] = {}
        self._pause = min(1.0, limits.head_s / 4, limits.body_s / 4)
        self._sweeping = False

    def admit(self, new: GuardedProtocol) -> None:
        """Give a stranger a place, where needed that of the stranger who has waited longest."""
        self._open[new] = None
        same = [one for one in self._strangers() if one.peer == new.peer and one.peer not in LOOPBACK]
        if len(same) > self.limits.strangers_of_peer:
            self._end_one(same)
        elif len(strangers := list(self._strangers())) > self.limits.strangers:
            self._end_one(strangers)
        if not self._sweeping:
            self._sweeping = True
            new.loop.call_later(self._pause, self._sweep, new.loop)

    def recognised(self, one: GuardedProtocol) -> None:
        """Move a connection that has shown a token to the known ones; a further one takes the place of an idle one."""
        known = [other for other in self._open if other.is_known]
        if len(known) > self.limits.known:
            idle = [other for other in known if not other.busy]
            self._end(idle[0] if idle else one)

    def leave(self, one: GuardedProtocol) -> None:
        """Forget a connection that was closed."""
        self._open.pop(one, None)

    def _strangers(self) -> Iterator[GuardedProtocol]:
        return (one for one in self._open if not one.is_known)

    def _end_one(self, some: list[GuardedProtocol]) -> None:
        """End the oldest that is not just being answered, else the oldest; never the newest."""
        self._end(next((one for one in some[:-1] if not one.busy), some[0]))

    def _end(self, one: GuardedProtocol) -> None:
        self.leave(one)  # now: its `connection_lost` comes later, and others may arrive before
        one.end()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in list(self._open):
            one.check(now)
        self._sweeping = bool(self._open)
        if self._sweeping:
            loop.call_later(self._pause, self._sweep, loop)
