"""The connection to a backend on another computer: one for both modules, made after a click, looked after until it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import qt
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import ResourceError
from MedSSLLib.backend.backendProcess import DOWN, STARTING, UP
from MedSSLLib.backend.qtTransport import QtTransport
from MedSSLLib.widgets.signal import Signal

POLL_MS = 5000
ANSWER_S = 15.0  # after which a look counts as not answered
SILENCES = 2  # looks in a row without an answer: one may be lost on the way


@dataclass(frozen=True)
class RemoteAddress:
    """A backend on another machine."""

    url: str
    token: str = field(repr=False)  # it does not belong into logs


class RemoteConnection:
    """The backend on another machine, as `BackendProcess` is the one on this.

    Signal: `changed()`. Attributes: `state`, `down`, `starting` or `up`; `address`, while it is up; `error`, why it is not.

    Args:
        makeTransport: address -> asynchronous transport, for the looks alone: each box sends through one of its own.
    """

    def __init__(self, makeTransport: Callable) -> None:
        self.changed = Signal()
        self.state, self.address, self.error = DOWN, None, None
        self._makeTransport, self._transport = makeTransport, None
        self._users, self._asking, self._silences = 0, False, 0
        self._timer = qt.QTimer()

    def watch(self) -> None:
        """A box begins to use it."""
        self._users += 1
        if self._users == 1:
            self._timer.connect("timeout()", self.poll)

    def unwatch(self) -> None:
        """A box goes; with the last one the connection ends."""
        self._users -= 1
        if self._users == 0:
            self._timer.disconnect("timeout()", self.poll)  # a connection left would keep this object for ever
            self._set(DOWN, None, None)

    def connect(self, url: str, token: str) -> None:
        """Ask whether a backend answers there; `changed` says how it went."""
        address = RemoteAddress(url, token)
        self._set(STARTING, None, None)
        asked = self._transport = self._makeTransport(address)
        asked.send(
            api.jobs(),
            lambda _jobs: self._set(UP, address, None) if asked is self._transport else None,
            lambda error: self._set(DOWN, None, error) if asked is self._transport else None,
        )

    def disconnect(self) -> None:
        """End it, also one that is being made."""
        self._set(DOWN, None, None)

    def poll(self) -> None:
        """Look whether it still answers."""
        if self.state != UP or self._asking:
            return
        self._asking, asked = True, self._transport
        asked.send(api.health(), lambda _health: self._looked(asked, True), lambda _error: self._looked(asked, False))

    def _looked(self, asked, answered: bool) -> None:
        if asked is not self._transport:  # of a connection before
            return
        self._asking, self._silences = False, 0 if answered else self._silences + 1
        if self._silences >= SILENCES:
            remedy = _("Check the network or the tunnel, then press Connect; its jobs went on meanwhile")
            value = _("backend at {url}").format(url=self.address.url)
            self._set(DOWN, None, ResourceError(value, _("does not answer any more"), remedy))

    def _set(self, state: str, address: RemoteAddress | None, error: Exception | None) -> None:
        self._asking, self._silences = False, 0
        if state == UP:
            self._timer.start(POLL_MS)
        else:
            self._timer.stop()
            if self._transport is not None:
                self._transport.abandon()
                self._transport = None
        self.state, self.address, self.error = state, address, error
        self.changed.emit()


@cache
def sharedRemote() -> RemoteConnection:
    """The one of both modules: where one of them is connected, the other is, too."""
    return RemoteConnection(lambda address: QtTransport(address, ANSWER_S))
