"""Sends the calls of `medssl.client.api` with Qt's asynchronous network stack: the GUI thread never waits."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from medssl.client import api
from medssl.client.proven import Proven
from medssl.core.errors import MedSSLError, ResourceError

DISCONNECTED = "disconnected"  # code of the error of who waited when the backend went
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MANAGER = "MedSSLNetwork"  # name of the object
TIMEOUT_S = 60  # without any byte; GET /devices imports torch in a child


def networkManager():
    """Qt's network stack, one for all transports, and for those of a module that was reloaded.

    It must outlive every reply: replies are its children, and PythonQt deletes an object without a parent with its last
    Python reference, which a transport of its own would lose while its reply is being deleted, and a reload would, too.
    """
    for child in slicer.app.children():
        if child.objectName == MANAGER:
            return child
    manager = qt.QNetworkAccessManager(slicer.app)
    manager.objectName = MANAGER
    manager.setProxy(qt.QNetworkProxy(qt.QNetworkProxy.NoProxy))  # loopback must not go through a proxy
    manager.setRedirectPolicy(qt.QNetworkRequest.ManualRedirectPolicy)  # the token is for this host alone
    return manager


def sharesFiles(address) -> bool:
    """Whether the server at an address reads this computer's files.

    Only one that was found by its server.json does, and that has a process number: the near end of an SSH tunnel is on
    this computer too, but the files are not.
    """
    return bool(getattr(address, "pid", 0)) and qt.QUrl(address.url).host() in LOOPBACK


def disconnected(url: str) -> ResourceError:
    """What those get who wait for an answer while the user stops the backend or disconnects from it."""
    value, remedy = (
        _("backend at {url}").format(url=url),
        _("Start or connect it again, then repeat what you asked for"),
    )
    return ResourceError(value, _("was disconnected"), remedy, code=DISCONNECTED)


def unlessDisconnected(onError: Callable) -> Callable:
    """For what nobody waits for: that the backend was stopped meanwhile is no error of it."""
    return lambda error: None if isinstance(error, MedSSLError) and error.code == DISCONNECTED else onError(error)


class QtTransport:
    """An asynchronous transport over one server.

    Args:
        address: has `url` (without a final slash) and `token`, as `medssl.client.backend.ServerAddress`.
    """

    def __init__(self, address, timeoutSeconds: float = TIMEOUT_S) -> None:
        self.address, self._timeout = address, int(timeoutSeconds * 1000)
        self._replies: set[_Reply] = set()
        self._closed = False
        self._proven = Proven(address)
        self._manager = networkManager()

    @property
    def sharesFiles(self) -> bool:
        """Whether the server reads this computer's files."""
        return sharesFiles(self.address)

    def send(self, call, onDone: Callable, onError: Callable) -> _Reply:
        """Send; `onDone(answer)` or `onError(error)` follows from the event loop. The result can be aborted.

        The token goes only to a server that has shown that it knows it: where that was long ago, it is asked first.
        """
        reply = _Reply(self, call, onDone, onError)
        if not self._closed:
            self._replies.add(reply)  # an unreferenced reply dies
        return reply

    def close(self) -> None:
        """Abort what is under way: who waits for it, or still asks, gets an error from the event loop."""
        self._closed = True
        for reply in tuple(self._replies):
            reply.lose()

    def abandon(self) -> None:
        """Abort what is under way; no callback follows: who waited for it has gone."""
        for reply in tuple(self._replies):
            reply.abort()

    def _sent(self, call):
        request = qt.QNetworkRequest(qt.QUrl(self.address.url + call.path))
        request.setTransferTimeout(self._timeout)
        if not call.open:
            request.setRawHeader(b"Authorization", b"Bearer " + self.address.token.encode())
        for name, value in call.headers.items():
            request.setRawHeader(name.encode(), value.encode())
        body = call.body or b""
        if call.method == "GET":
            return self._manager.get(request)
        if call.method == "HEAD":
            return self._manager.head(request)
        if call.method == "DELETE":
            return self._manager.deleteResource(request)
        if not call.body:
            request.setRawHeader(b"Content-Type", b"application/json")  # Qt warns about bodies without a type
        return self._manager.put(request, body) if call.method == "PUT" else self._manager.post(request, body)


class _Reply:
    """One call under way, or the proof that must come before it."""

    def __init__(self, transport: QtTransport, call, onDone: Callable, onError: Callable) -> None:
        self._transport, self._call = transport, call
        self._onDone, self._onError = onDone, onError
        self._aborted, self._reply = False, None
        if transport._closed:
            self.lose()
            return
        proving = not call.open and transport._proven.needed()
        self._send(api.proof(transport.address.token) if proving else call)

    def abort(self) -> None:
        """Give up; no callback follows."""
        self._aborted = True
        if self._reply is not None:
            self._reply.abort()

    def lose(self) -> None:
        """Give up; an error follows from the event loop."""
        self.abort()
        self._transport._replies.discard(self)
        qt.QTimer.singleShot(0, lambda: self._onError(disconnected(self._transport.address.url)))

    def _send(self, call) -> None:
        self._sending = call
        self._reply = self._transport._sent(call)
        self._reply.connect("finished()", self._finished)

    def _finished(self) -> None:
        if self._aborted:  # there is nothing to be read, and Qt warns
            self._transport._replies.discard(self)
            self._reply.deleteLater()
            return
        status = self._reply.attribute(qt.QNetworkRequest.HttpStatusCodeAttribute)
        reason = self._reply.errorString()
        body = self._reply.readAll().data()
        self._reply.deleteLater()
        proven, proving = self._transport._proven, self._sending is not self._call
        try:
            if status is None:
                proven.failed()
                url = self._transport.address.url
                raise ResourceError(
                    _("backend at {url}").format(url=url),
                    _("does not answer ({reason})").format(reason=reason),
                    _("Start it, or check its address"),
                )
            if proving and int(status) != 200:  # an unknown token's id, an earlier version, or another program
                raise api.unproven()
            answer = self._sending.parse(int(status), bytes(body))
        except MedSSLError as error:
            self._done(self._onError, error)
        except (ValueError, KeyError, TypeError) as error:  # not the JSON we know: another program, another version
            rule = _("was answered in an unknown form ({e})").format(e=error)
            remedy = _("Use the backend that came with this extension")
            self._done(self._onError, api.unproven() if proving else MedSSLError(self._call.path, rule, remedy))
        else:
            if not self._sending.open or self._sending.path.startswith("/proof"):
                proven.answered()
            if proving:
                self._send(self._call)
            else:
                self._done(self._onDone, answer)

    def _done(self, call: Callable, answer) -> None:
        self._transport._replies.discard(self)
        call(answer)
