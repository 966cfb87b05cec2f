"""Sends calls with `requests`: for the console and for batch work. The panels bring Qt's own."""

from __future__ import annotations

from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter

from medssl.client import api
from medssl.client.api import Call
from medssl.client.backend import ServerAddress, pinned
from medssl.client.proven import Proven
from medssl.core.errors import ResourceError

TIMEOUT_S = 60.0  # between two bytes; GET /devices imports torch in a child


class Transport(Protocol):
    """Sends a call and returns its parsed answer."""

    def send(self, call: Call) -> Any:
        """Send and wait.

        Raises:
            MedSSLError: what the server reported, or that it does not answer.
        """


class RequestsTransport:
    """A transport over one server. Proxies of the environment are not used: loopback must not go through them."""

    def __init__(self, address: ServerAddress, timeout_s: float = TIMEOUT_S) -> None:
        self.address, self._timeout_s = address, timeout_s
        self._proven = Proven(address)
        self._session = requests.Session()
        self._session.trust_env = False
        if address.certificate:
            self._session.mount("https://", _Pinned(address.certificate))

    def send(self, call: Call) -> Any:
        """Send and wait; the token goes only to a server that has shown that it knows it.

        Raises:
            MedSSLError: what the server reported.
            AccessError: it does not know the token.
            ResourceError: it does not answer.
        """
        if not call.open and self._proven.needed():
            self._prove()
        answer = self._send(call)
        if not call.open:
            self._proven.answered()
        return call.parse(answer.status_code, answer.content)

    def _prove(self) -> None:
        call = api.proof(self.address.token)
        answer = self._send(call)
        if answer.status_code != 200:  # an unknown token's id, an earlier version, or another program
            raise api.unproven()
        call.parse(answer.status_code, answer.content)

    def _send(self, call: Call) -> requests.Response:
        headers = call.headers if call.open else {**call.headers, "Authorization": f"Bearer {self.address.token}"}
        url = self.address.url + call.path
        try:
            return self._session.request(
                call.method, url, headers=headers, data=call.body, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            self._proven.failed()
            raise ResourceError(
                f"backend at {self.address.url}",
                "does not answer",
                "Start it with `medssl serve`",
                code="backend-silent",
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class _Pinned(HTTPAdapter):
    """TLS with a server of this home: its own certificate and no other, whatever names it is for."""

    def __init__(self, certificate: str) -> None:
        self._context = pinned(certificate)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context, assert_hostname=False)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context knows what to trust; the list of authorities of `requests` is left out."""
